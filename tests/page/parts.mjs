// Interactive parts of the page: filters of tables, and charts that can be read with the keyboard.

/** The number of rows from which on a table has a filter. */
const FILTERED_ROWS_MIN = 9;

/** Returns the parts that are missing or do not work. */
export async function check(page) {
  return [...(await filters(page)), ...(await charts(page))];
}

async function filters(page) {
  const fields = await page.$$('input[type=search][data-filter]');
  const long = await page.$$eval('table.sortable', (tables, least) => tables.filter((table) => table.tBodies[0].rows.length >= least).length, FILTERED_ROWS_MIN);
  const problems = fields.length === long ? [] : [`${fields.length} filters (input[type=search][data-filter]) for ${long} tables of ${FILTERED_ROWS_MIN} rows and more`];
  for (const field of fields) {
    const name = await field.getAttribute('data-filter');
    const table = page.locator(`table[data-name="${name}"]`);
    const output = page.locator(`output[data-filter="${name}"], :has(> [data-filter="${name}"]) output`).first();
    if ((await table.count()) !== 1) problems.push(`filter ${name}: ${await table.count()} tables of that name`);
    if ((await output.count()) !== 1) problems.push(`filter ${name}: no output beside the filter shows the number of rows`);
    if (problems.length > 0) continue;
    const rows = () => table.locator('tbody tr').evaluateAll((all) => all.map((row) => ({ text: row.innerText.toLowerCase(), shown: row.offsetParent !== null })));
    const all = await rows();
    const word = all[all.length - 1].text.split(/\s+/)[0];
    await field.fill(word);
    const some = await rows();
    const shown = some.filter((row) => row.shown);
    const matching = all.filter((row) => row.text.includes(word)).length;
    if (shown.length !== matching) problems.push(`filter ${name}: ${JSON.stringify(word)} leaves ${shown.length} rows of ${matching}`);
    if (!(await output.innerText()).includes(String(matching))) problems.push(`filter ${name}: the output says ${JSON.stringify(await output.innerText())}, not ${matching}`);
    await field.fill('no row has this text');
    if ((await rows()).some((row) => row.shown)) problems.push(`filter ${name}: rows that do not match are still shown`);
    await field.fill('');
    if ((await rows()).some((row) => !row.shown)) problems.push(`filter ${name}: an empty filter does not show all rows again`);
    if (!(await field.evaluate((element) => element.labels?.length > 0 || element.hasAttribute('aria-label')))) problems.push(`filter ${name}: no label`);
  }
  return problems;
}

async function charts(page) {
  const figures = await page.$$('figure[id^=chart-]');
  // The pointer must not rest on a chart, because it would select a value there.
  await page.mouse.move(0, 0);
  const problems = [];
  for (const figure of figures) {
    const id = await figure.getAttribute('id');
    // A chart without data has no values.
    if ((await figure.$$('.values rect')).length === 0) continue;
    const target = (await figure.$('[tabindex="0"]')) ?? figure;
    await target.focus();
    if (!(await figure.evaluate((element) => element.contains(document.activeElement)))) {
      problems.push(`${id}: cannot be focused`);
      continue;
    }
    await page.keyboard.press('ArrowRight');
    const tip = page.locator('.tip').first();
    const shown = await tip.waitFor({ state: 'visible', timeout: 2000 }).then(() => true, () => false);
    if (!shown) problems.push(`${id}: the right arrow shows no value (.tip)`);
    else if ((await tip.innerText()).trim() === '') problems.push(`${id}: its value (.tip) is empty`);
    await page.keyboard.press('Escape');
    await target.evaluate((element) => element.blur());
  }
  return problems;
}
