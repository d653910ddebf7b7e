/**
 * What browsers are told about everything that this POP serves: our own scripts and nothing else, our own sockets and
 * those of our fellow POPs, the microphone for our own page, no frames. No CORS headers: pages of other origins can't
 * read our REST answers, but for those of fellow POPs (fellow-pops.ts); their backends create sessions, and the
 * WebSocket takes any origin because its token is the authority.
 */
import type { RequestHandler } from 'express';

/** @param connectSources origins, beside our own, that the request's page may connect to, with spaces between */
export function contentSecurityPolicy(connectSources: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "media-src 'self' blob:",
    "worker-src 'self' blob:",
    `connect-src 'self' ${connectSources}`,
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

export function securityHeaders(connectSourcesOf: (request: Parameters<RequestHandler>[0]) => string): RequestHandler {
  return (request, response, next) => {
    response.set({
      'Content-Security-Policy': contentSecurityPolicy(connectSourcesOf(request)),
      'Permissions-Policy': 'microphone=(self), camera=(self), geolocation=(), display-capture=(), payment=(), usb=()',
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
      'Referrer-Policy': 'no-referrer',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Resource-Policy': 'same-origin',
    });
    next();
  };
}
