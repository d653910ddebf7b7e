/** In src/wan, as `antipode up` uses it too. */
export * from '../../src/wan/udp-link.ts';
