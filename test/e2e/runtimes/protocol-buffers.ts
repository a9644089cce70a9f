/** The wire format of protocol buffers, proto3, for gRPC. */

/** A message by its field numbers. An array has the values of a repeated field. A missing field has its default. */
export interface Message {
  readonly [field: number]: Value | readonly Value[];
}

type Value = string | number | boolean | Message;

/** Wire types. */
const [varintType, lengthDelimited] = [0, 2];

export function encode(message: Message): Buffer {
  const fields = Object.entries(message).flatMap(([field, value]) =>
    [value].flat().map((one) => encodeField(Number(field), one)),
  );
  return Buffer.concat(fields);
}

function encodeField(field: number, value: Value): Buffer {
  if (typeof value === 'number' || typeof value === 'boolean') {
    return Buffer.concat([varint((field << 3) | varintType), varint(Number(value))]);
  }
  const content = typeof value === 'string' ? Buffer.from(value) : encode(value);
  return Buffer.concat([varint((field << 3) | lengthDelimited), varint(content.length), content]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 0x80)) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 0x80) | 0x80);
  }
}

/** Returns the text at a path of fields; empty if it is missing. */
export function textOf(message: Buffer, path: readonly number[]): string {
  const [found] = valuesAt(message, path);
  return Buffer.isBuffer(found) ? found.toString('utf8') : '';
}

/** Returns the number at a path of fields; 0 if it is missing. */
export function numberOf(message: Buffer, path: readonly number[]): number {
  const [found] = valuesAt(message, path);
  return typeof found === 'number' ? found : 0;
}

/** Returns the messages at a path of fields. */
export function messagesOf(message: Buffer, path: readonly number[]): Buffer[] {
  return valuesAt(message, path).filter((value) => Buffer.isBuffer(value));
}

function valuesAt(message: Buffer, [field, ...below]: readonly number[]): (Buffer | number)[] {
  const values = [...fieldsOf(message)].flatMap(([number, value]) => (number === field ? [value] : []));
  if (below.length === 0) return values;
  return values.flatMap((value) => (Buffer.isBuffer(value) ? valuesAt(value, below) : []));
}

function* fieldsOf(message: Buffer): Generator<[number, Buffer | number]> {
  let at = 0;
  const next = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const key = next();
    const [field, type] = [Math.floor(key / 8), key % 8];
    const value = next();
    if (type === varintType) {
      yield [field, value];
    } else if (type === lengthDelimited) {
      yield [field, message.subarray(at, at + value)];
      at += value;
    } else {
      throw new Error(`wire type ${type} is not expected here`);
    }
  }
}
