/** Builds the page into dist/web. Everything is a file of its own: the page's CSP allows neither inline code nor data: URLs of styles. */
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // React, mediasoup-client and zod together; 155 kB compressed, fetched once.
    chunkSizeWarningLimit: 700,
  },
  server: {
    proxy: { '/v1': { target: 'http://localhost:8080', ws: true } },
  },
});
