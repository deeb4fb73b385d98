import type { Response } from 'express';

/** 303: whatever the method was, the browser goes on with GET. No body that would repeat the address. */
export function redirect(res: Response, location: string): void {
  res.status(303).set({ Location: location, 'Cache-Control': 'no-store' }).end();
}
