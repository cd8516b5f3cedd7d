// The page of a hostile log shows the log's text, and none of it is active.

import { hidden } from './texts.mjs';

/** Returns the problems of the opened `page`. */
export async function check(page) {
  const found = await page.evaluate(() => {
    const all = [...document.querySelectorAll('*')];
    const name = (element) => element.outerHTML.slice(0, 120);
    const known = new Set(
      ('html head meta title style body a header p span main section h1 h2 h3 div dl dt dd ul ol li b i u small strong em nav figure figcaption ' +
        'details summary table caption thead tbody tr th td button code pre footer script input label output svg dfn abbr time article aside').split(' '),
    );
    const isInChart = (element) => element.closest('svg') !== null && element.closest('svg').closest('figure, .picture, .chart, .spark') !== null;
    return {
      unknown: all.filter((element) => !known.has(element.localName) && !isInChart(element)).map(name),
      scripts: document.scripts.length,
      pictures: [...document.querySelectorAll('svg')].filter((svg) => !isInChart(svg)).map(name),
      handlers: all.filter((element) => [...element.attributes].some((attribute) => /^on/i.test(attribute.name))).map(name),
      links: all.filter((element) => ['href', 'src', 'srcset', 'srcdoc', 'action', 'data'].some((key) => element.hasAttribute(key) && !/^#/.test(element.getAttribute(key)))).map(name),
      texts: all.flatMap((element) => [...element.attributes].map((attribute) => attribute.value)).concat(document.documentElement.textContent),
      shown: document.body.innerText,
    };
  });
  const problems = [];
  const say = (what, list) => list.length > 0 && problems.push(`${what}: ${list.slice(0, 3).join(' ')}`);
  say('elements that the page does not use', found.unknown);
  say('pictures outside the charts', found.pictures);
  say('elements with handlers', found.handlers);
  say('links to other pages', found.links);
  if (found.scripts !== 1) problems.push(`${found.scripts} scripts, not 1`);
  for (const text of found.texts) {
    const control = hidden(text);
    if (control) problems.push(control);
  }
  if (!found.shown.includes('pwned') && !found.shown.includes('ppppp')) problems.push('no text of the log is shown, so the check proves nothing');
  return problems;
}
