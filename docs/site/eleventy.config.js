import { dirname, relative } from 'node:path';
import { layout } from './layout.js';
import { copied, createMarkdown } from './markdown.js';
import { navigation, outputOf, pages, readPage, titleOf } from './pages.js';

/** Every page of the repository as it is there, in one layout. */
export default function configure(eleventy) {
  const sections = navigation();
  const markdown = createMarkdown();
  eleventy.addPassthroughCopy({ 'assets/style.css': 'style.css' });
  for (const path of copied) eleventy.addPassthroughCopy({ [`../../${path}`]: path });
  for (const page of pages) {
    const output = outputOf(page);
    const render = () =>
      layout({
        page,
        root: relative(dirname(output), '.') || '.',
        sections,
        title: titleOf(page),
        body: markdown.render(readPage(page), { page }),
      });
    eleventy.addTemplate(`${output.replaceAll('/', '--')}.11ty.js`, render, { permalink: `/${output}` });
  }
  return { dir: { input: 'assets', output: '../../out/site' }, templateFormats: ['11ty.js'] };
}
