/**
 * The subset of undici that is bundled: its HTTP/1.1 client, without fetch, WebSocket, caches and mocks, which are half a megabyte of
 * text. The build fails if the source imports another name. Dispatchers have `dispatch`, `close` and `destroy` alone: `request`
 * and what else undici adds to them is not bundled, though its types show it.
 */
export { default as buildConnector } from 'undici/lib/core/connect.js';
export { default as errors } from 'undici/lib/core/errors.js';
export { default as Agent } from 'undici/lib/dispatcher/agent.js';
export { default as Dispatcher } from 'undici/lib/dispatcher/dispatcher.js';
