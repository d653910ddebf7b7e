/** In src/wan, as `antipode up` uses it too. */
export * from '../../src/wan/tcp-link.ts';
