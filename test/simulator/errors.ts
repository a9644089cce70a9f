/**
 * Errors of a grid (WAPI: errors). `prefix` is the class in the `Error` member; data errors repeat the text behind the
 * class of the database layer.
 */
export class WapiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly body: string;
  readonly contentType: string;

  constructor(status: number, code: string, text: string, body: string, contentType = 'application/json') {
    super(text);
    this.name = 'WapiError';
    this.status = status;
    this.code = code;
    this.body = body;
    this.contentType = contentType;
  }
}

/** Makes the exact bytes of a real error: a space after the opening brace and before two of the line ends. */
function errorBody(error: string, code: string, text: string): string {
  return `{ "Error": ${JSON.stringify(error)}, \n  "code": ${JSON.stringify(code)}, \n  "text": ${JSON.stringify(text)}\n}`;
}

/** Makes a 400 for an invalid request (unknown field, wrong type, wrong method). */
export function protocolError(text: string): WapiError {
  const code = 'Client.Ibap.Proto';
  return new WapiError(400, code, text, errorBody(`AdmConProtoError: ${text}`, code, text));
}

/** Makes a 400 for a valid request that the data do not allow (no free address, no permission). */
export function dataError(text: string): WapiError {
  const code = 'Client.Ibap.Data';
  const error = `AdmConDataError: None (IBDataError: IB.Data:${text})`;
  return new WapiError(400, code, text, errorBody(error, code, text));
}

/** Makes a 400, never 409, for an object that conflicts with another or lacks its parent. */
export function conflictError(text: string): WapiError {
  const code = 'Client.Ibap.Data.Conflict';
  const error = `AdmConDataError: None (IBDataConflictError: IB.Data.Conflict:${text})`;
  return new WapiError(400, code, text, errorBody(error, code, text));
}

/** Makes a 404 for a reference to a deleted object, or the name of a view that does not exist. */
export function notFoundError(text: string): WapiError {
  const code = 'Client.Ibap.Data.NotFound';
  return new WapiError(404, code, text, errorBody(`AdmConDataNotFoundError: ${text}`, code, text));
}

/** Makes a 400 in plain text: the appliance does not support that WAPI version. */
export function unsupportedVersion(version: string): WapiError {
  const text = `Version ${version} not supported`;
  return new WapiError(400, 'version', text, text, 'text/plain');
}

/** Makes an HTML page, which the web server in front of the API answers instead of JSON. */
export function htmlPage(status: number, title: string, text: string): WapiError {
  const head = `<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n<title>${status} ${title}</title>\n</head>`;
  const body = `${head}<body>\n<h1>${title}</h1>\n<p>${text}</p>\n</body></html>\n`;
  return new WapiError(status, 'html', `${status} ${title}`, body, 'text/html; charset=iso-8859-1');
}

export function unauthorized(): WapiError {
  return htmlPage(401, 'Authorization Required', 'The server could not verify your right to this document.');
}

export const parentNotFound = 'The action is not allowed. A parent was not found.';
export const unknownField = (name: string): WapiError => protocolError(`Unknown argument/field: '${name}'`);
export const unknownAttribute = (name: string): WapiError => protocolError(`Unknown extensible attribute: ${name}`);
export const badAttribute = (name: string): WapiError => protocolError(`Bad value for extensible attribute "${name}"`);
export const invalidAddress = (text: string): WapiError => conflictError(`Invalid address_string '${text}'`);
/** Assumed wording: no sample of a refused network is known. */
export const invalidNetwork = (text: string): WapiError => conflictError(`Invalid network address '${text}'`);
export const duplicateObject = (name: string, type: string): WapiError =>
  conflictError(`Duplicate object '${name}' of type '${type}' already exists in the database.`);
