/** What the build puts in (build.mjs); absent when the sources run unbuilt. */
declare const __VERSION__: string | undefined;
declare const __COMMIT__: string | undefined;

export const version: string = typeof __VERSION__ === 'string' ? __VERSION__ : '0.0.0';
export const commit: string = typeof __COMMIT__ === 'string' ? __COMMIT__ : 'unbuilt';
