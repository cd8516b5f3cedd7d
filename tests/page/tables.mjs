// Tables of a page: every row is complete, and headings sort the table by mouse and keyboard.

/** Returns the problems of all tables of `page`. */
export async function check(page) {
  const problems = [];
  const tables = await page.$$('table');
  if (tables.length === 0) return ['the page has no table'];
  let sorted = 0;
  for (const table of tables) {
    const { found, columns, name } = await table.evaluate(inspect);
    problems.push(...found);
    if (columns === 0) continue;
    problems.push(...(await sortsByMouseAndKeyboard(table)).map((problem) => `table ${name}: ${problem}`));
    sorted += columns;
  }
  if (sorted === 0) problems.push('no table of the page can be sorted');
  return problems;
}

/** Mouse, Enter and Space on the first heading each reverse the order. */
async function sortsByMouseAndKeyboard(table) {
  const button = await table.$('thead th button');
  const directions = [];
  for (const how of ['mouse', 'Enter', 'Space']) {
    if (how === 'mouse') await button.click();
    else await button.press(how);
    directions.push(await table.evaluate((element) => element.tHead.rows[0].cells[0].getAttribute('aria-sort')));
  }
  const known = directions.every((direction) => ['ascending', 'descending'].includes(direction));
  if (known && directions[0] !== directions[1] && directions[0] === directions[2]) return [];
  return [`mouse, Enter and Space sort the first column ${directions.join(', ')}`];
}

/**
 * Checks that rows are complete and sorts every column both ways. Runs in the page, so that a table of hundreds of rows is not transferred for
 * every column.
 */
function inspect(table) {
  const read = readTable();
  const found = incomplete(read);
  const sortable = table.classList.contains('sortable') && read.rows.length >= 3;
  if (!sortable) return { found, columns: 0, name: read.name };
  const buttons = [...table.tHead.querySelectorAll('th button')];
  if (buttons.length !== read.labels.length) {
    return { found: [...found, `table ${read.name}: ${buttons.length} buttons for ${read.labels.length} columns`], columns: 0, name: read.name };
  }
  for (const [column, label] of read.labels.entries()) {
    const directions = [];
    for (let click = 1; click <= 2; click += 1) {
      buttons[column].click();
      const after = readTable();
      directions.push(after.sorted[column]);
      found.push(...ordered(read, after, column).map((problem) => `table ${read.name}, column ${label}, after ${click} clicks: ${problem}`));
    }
    if (directions[0] === directions[1]) found.push(`table ${read.name}, column ${label}: two clicks sort the column ${directions.join(', ')}`);
  }
  return { found, columns: read.labels.length, name: read.name };

  /** The table as text. Numbers are sorted by `value`; `text` is what the reader sees. */
  function readTable() {
    const heads = [...table.tHead.rows[0].cells];
    const cell = (td) => ({ text: td.textContent.trim().replace(/\s+/g, ' '), value: td.getAttribute('data-v') });
    return {
      name: table.dataset.name ?? table.closest('[id]')?.id ?? '?',
      labels: heads.map((head) => head.textContent.trim().replace(/\s+/g, ' ')),
      numbers: heads.map((head) => head.classList.contains('n')),
      sorted: heads.map((head) => head.getAttribute('aria-sort')),
      rows: [...table.tBodies].flatMap((body) => [...body.rows]).map((row) => [...row.cells].map(cell)),
    };
  }

  function incomplete({ name, labels, rows }) {
    const problems = [];
    if (rows.length === 0) problems.push(`table ${name} has no rows`);
    rows.forEach((row, index) => {
      if (row.length !== labels.length) problems.push(`table ${name}, row ${index + 1}: ${row.length} cells for ${labels.length} columns`);
    });
    labels.forEach((label, column) => {
      const empty = rows.filter((row) => row[column]?.text === '').length;
      if (empty > 0) problems.push(`table ${name}, column ${label}: empty in ${empty} of ${rows.length} rows`);
    });
    return problems;
  }

  function ordered(before, after, column) {
    const problems = [];
    const rows = (table) => table.rows.map((row) => JSON.stringify(row.map((cell) => cell.text))).sort();
    if (JSON.stringify(rows(before)) !== JSON.stringify(rows(after))) problems.push('the rows are not the same as before');
    if (after.sorted.filter((direction) => direction !== null && direction !== 'none').length !== 1) problems.push('not exactly one heading has aria-sort');
    const direction = after.sorted[column];
    if (!['ascending', 'descending'].includes(direction)) return [...problems, `aria-sort is ${direction}`];
    const cells = after.rows.map((row) => row[column]);
    if (direction === 'descending') cells.reverse();
    if (!(after.numbers[column] ? numbersRise(cells) : textsRise(cells.map((cell) => cell.text)))) {
      problems.push(`not ${direction}: ${after.rows.slice(0, 8).map((row) => row[column].text.replace(/\s+/g, ' ')).join(' · ')}`);
    }
    return problems;
  }

  /** Whether the exact values rise, with unknown values together at either end, and the visible texts agree with that order. */
  function numbersRise(cells) {
    const known = cells.map((cell) => cell.value !== null && cell.value !== '');
    const ends = known.slice(1).filter((is, index) => is !== known[index]).length;
    const values = cells.filter((_, index) => known[index]).map((cell) => Number(cell.value));
    const seen = cells.filter((_, index) => known[index]).map((cell) => cell.text.replaceAll(',', ''));
    const plain = seen.every((text) => /^[−-]?\d+(\.\d+)?$/.test(text)) ? seen.map((text) => Number(text.replace('−', '-'))) : [];
    return ends <= 1 && !values.some(Number.isNaN) && rises(values, (a, b) => a <= b) && rises(plain, (a, b) => a <= b);
  }

  /** Whether the texts rise in one of the usual orders: by code unit, by the language, by the language with numbers by size. */
  function textsRise(texts) {
    const lower = texts.map((text) => text.toLowerCase());
    const orders = [(a, b) => a <= b, ...[false, true].map((numeric) => new Intl.Collator('en', { numeric }).compare).map((compare) => (a, b) => compare(a, b) <= 0)];
    return orders.some((order) => rises(lower, order));
  }

  function rises(values, order) {
    return values.every((value, index) => index === 0 || order(values[index - 1], value));
  }
}
