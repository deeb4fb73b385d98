import { hrefTo, index } from './pages.js';

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** A page of the site. `root` leads to the site's start; `body` is HTML. A table's empty corner is no heading. */
export function layout({ page, root, sections, title, body }) {
  const entry = (to) =>
    `<li><a href="${hrefTo(page, to.page)}"${to.page === page ? ' aria-current="page"' : ''}>${escaped(to.title)}</a></li>`;
  const section = ({ audience, entries }) => `<h2>${audience}</h2><ul>${entries.map(entry).join('')}</ul>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)} · Onbehalf</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${root}/pagefind/pagefind-ui.css">
<link rel="stylesheet" href="${root}/style.css">
<script src="${root}/pagefind/pagefind-ui.js"></script>
</head>
<body>
<a class="skip" href="#main">Skip to the page</a>
<header><a class="name" href="${hrefTo(page, index)}">Onbehalf</a><a class="to-pages" href="#pages">All pages</a><div id="search"></div></header>
<main id="main" tabindex="-1" data-pagefind-body>${body.replaceAll('<th></th>', '<td></td>')}</main>
<nav id="pages" aria-label="Pages">${sections.map(section).join('')}</nav>
<script>
new PagefindUI({ element: '#search', showImages: false, resetStyles: false, translations: { placeholder: 'Search' } });
document.querySelector('#search input').setAttribute('aria-label', 'Search the documentation');
</script>
</body>
</html>
`;
}
