/** The page that callers open, as files of a folder; says so when the page was not built. */
import { sep } from 'node:path';
import express, { type RequestHandler, Router } from 'express';
import { AntipodeError } from '../errors.ts';

/** Seconds for which a file with a hash in its name may be kept. */
const HASHED_MAX_AGE_SECONDS = 31_536_000;

/** @param pageDir folder of the built page, or null */
export function pageRoutes(pageDir: string | null): Router {
  const router = Router();
  if (pageDir === null) {
    router.get('/', notBuilt);
    return router;
  }
  router.use(
    express.static(pageDir, {
      index: 'index.html',
      redirect: false,
      setHeaders(response, path) {
        const hashed = path.includes(`${sep}assets${sep}`);
        response.setHeader(
          'Cache-Control',
          hashed ? `public, max-age=${HASHED_MAX_AGE_SECONDS}, immutable` : 'no-cache',
        );
      },
    }),
  );
  return router;
}

const notBuilt: RequestHandler = (request, response) => {
  const words = 'This server has no page: it was not built. The REST API and the signaling work.';
  if (!request.accepts('html')) throw new AntipodeError('ERR_NOT_FOUND', words);
  response.status(404).set('Cache-Control', 'no-store').type('text/plain').send(`${words}\n`);
};
