/**
 * undici as the executable has it: its HTTP/1.1 client, without fetch, WebSocket, caches and mocks, which are half a megabyte of
 * text. A name that the source imports and that is missing here ends the build.
 */
export { default as buildConnector } from 'undici/lib/core/connect.js';
export { default as errors } from 'undici/lib/core/errors.js';
export { default as Agent } from 'undici/lib/dispatcher/agent.js';
export { default as Dispatcher } from 'undici/lib/dispatcher/dispatcher.js';
