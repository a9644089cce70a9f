/** Finds the regular expressions of a TypeScript source in its syntax tree. */
import { parseAst } from 'vitest/node';

export interface Expression {
  readonly file: string;
  readonly line: number;
  readonly pattern: string;
  readonly flags: string;
}

/** The expressions of a source, and the places that build one at run time, which no test can check beforehand. */
export interface Found {
  readonly expressions: readonly Expression[];
  /** `file:line` of a `RegExp(...)` whose pattern is not a constant. */
  readonly unknown: readonly string[];
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

/**
 * Collects literals and the arguments of `RegExp`.
 * @param file its name, for reports
 * @param text the source
 */
export function expressionsIn(file: string, text: string): Found {
  const expressions: Expression[] = [];
  const unknown: string[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    if (!isNode(value)) return;
    const line = text.slice(0, value.start).split('\n').length;
    const regex = value.regex as { pattern: string; flags: string } | undefined;
    if (value.type === 'Literal' && regex) expressions.push({ file, line, pattern: regex.pattern, flags: regex.flags });
    if (isRegExpCall(value)) {
      const [pattern, flags] = (value.arguments as unknown[]).map(constantText);
      if (pattern === undefined) unknown.push(`${file}:${line}`);
      else expressions.push({ file, line, pattern, flags: flags ?? '' });
    }
    for (const child of Object.values(value)) visit(child);
  };
  visit(parseAst(text, { lang: 'ts' }));
  return { expressions, unknown };
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** Recognises `new RegExp(...)` and `RegExp(...)`, also as a member of `globalThis`. */
function isRegExpCall(node: Node): boolean {
  if (node.type !== 'NewExpression' && node.type !== 'CallExpression') return false;
  const callee = node.callee as Node;
  const named = callee.type === 'MemberExpression' ? (callee.property as Node) : callee;
  return named.name === 'RegExp';
}

/** Returns the text of a string, or of a template without holes; undefined for anything else. */
function constantText(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value;
  const quasis = node.quasis as { value: { cooked: string } }[] | undefined;
  return node.type === 'TemplateLiteral' && quasis?.length === 1 ? quasis[0]?.value.cooked : undefined;
}
