import { crc32, deflateSync } from 'node:zlib';

const signature = Buffer.from('89504e470d0a1a0a', 'hex');
/** So many of the commonest colours stay as they are; what is between a letter and its paper is kept to such a step. */
const exact = 64;
const steps = [8, 16, 32];

/**
 * A small PNG of an opaque picture: a palette in place of a colour a pixel (PNG, third edition, 11.2).
 * @param rgba four bytes a pixel, row by row.
 * @throws Error where it has more than 256 colours, even in coarse steps.
 */
export function encodePng(picture: { width: number; height: number; rgba: Uint8Array }): Buffer {
  const { width, height } = picture;
  const { colours, rows } =
    steps.map((step) => index(picture, step)).find(({ colours }) => colours.length <= 256) ?? {};
  if (!colours || !rows) throw new Error('The picture has too many colours.');
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3], 8);
  const palette = Buffer.from(colours.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  const parts = [chunk('IHDR', header), chunk('PLTE', palette), chunk('IDAT', deflateSync(rows, { level: 9 }))];
  return Buffer.concat([signature, ...parts, chunk('IEND', Buffer.alloc(0))]);
}

/** The colours of a picture, and for each pixel its place among them, a filter byte before each row. */
function index({ width, height, rgba }: { width: number; height: number; rgba: Uint8Array }, step: number) {
  const colourAt = (pixel: number, byte: (value: number) => number) =>
    [0, 1, 2].reduce((colour, part) => (colour << 8) | byte(rgba[pixel * 4 + part] ?? 0), 0);
  const counts = new Map<number, number>();
  for (let pixel = 0; pixel < width * height; pixel++) {
    const colour = colourAt(pixel, (value) => value);
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const common = [...counts].sort(([, a], [, b]) => b - a).slice(0, exact);
  const places = new Map(common.map(([colour], place) => [colour, place]));
  const rows = Buffer.alloc((width + 1) * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    let place = places.get(colourAt(pixel, (value) => value));
    if (place === undefined) {
      const coarse = colourAt(pixel, (value) => Math.min(255, Math.round(value / step) * step));
      place = places.get(coarse) ?? places.size;
      places.set(coarse, place);
    }
    rows[Math.floor(pixel / width) * (width + 1) + 1 + (pixel % width)] = place;
  }
  return { colours: [...places.keys()], rows };
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}
