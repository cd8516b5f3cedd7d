// Tables of a page: every row is whole, and a click or a key on a heading really sorts.

/** Problems of all tables of `page`. */
export async function check(page) {
  const problems = [];
  const tables = await page.$$('table');
  if (tables.length === 0) return ['it has no table'];
  let sorted = 0;
  for (const table of tables) {
    const read = await table.evaluate(readTable);
    problems.push(...whole(read));
    if (!(await table.evaluate((element) => element.classList.contains('sortable'))) || read.rows.length < 3) continue;
    for (const [column, label] of read.labels.entries()) {
      const heading = `table ${read.name}, column ${label}`;
      const buttons = await table.$$('thead th button');
      if (buttons.length !== read.labels.length) {
        problems.push(`table ${read.name}: ${buttons.length} buttons for ${read.labels.length} columns`);
        break;
      }
      const directions = [];
      // The keys are the same code in every column; a page of 500 rows takes its time.
      for (const how of column === 0 ? ['click', 'Enter', 'Space'] : ['click', 'Enter']) {
        if (how === 'click') await buttons[column].click();
        else await buttons[column].press(how);
        const after = await table.evaluate(readTable);
        directions.push(after.sorted[column]);
        problems.push(...ordered(read, after, column).map((problem) => `${heading}, after ${how}: ${problem}`));
      }
      if (directions[0] === directions[1] || (directions.length > 2 && directions[0] !== directions[2])) {
        problems.push(`${heading}: ${directions.join(', ')} is not one way, the other and back`);
      }
      sorted += 1;
    }
  }
  if (sorted === 0) problems.push('no table of it can be sorted');
  return problems;
}

/** In the page: a table as text. `value` is what numbers are sorted by, `text` what people see. */
function readTable(table) {
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

function whole({ name, labels, rows }) {
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

/** By the exact values, with unknown ones together at either end; and what people see does not contradict them. */
function numbersRise(cells) {
  const known = cells.map((cell) => cell.value !== null && cell.value !== '');
  const ends = known.slice(1).filter((is, index) => is !== known[index]).length;
  const values = cells.filter((_, index) => known[index]).map((cell) => Number(cell.value));
  const seen = cells.filter((_, index) => known[index]).map((cell) => cell.text.replaceAll(',', ''));
  const plain = seen.every((text) => /^[−-]?\d+(\.\d+)?$/.test(text)) ? seen.map((text) => Number(text.replace('−', '-'))) : [];
  return ends <= 1 && !values.some(Number.isNaN) && rises(values, (a, b) => a <= b) && rises(plain, (a, b) => a <= b);
}

/** In any of the orders that people accept: by code unit, by the language, numbers within words by size. */
function textsRise(texts) {
  const lower = texts.map((text) => text.toLowerCase());
  const orders = [(a, b) => a <= b, ...[false, true].map((numeric) => new Intl.Collator('en', { numeric }).compare).map((compare) => (a, b) => compare(a, b) <= 0)];
  return orders.some((order) => rises(lower, order));
}

function rises(values, order) {
  return values.every((value, index) => index === 0 || order(values[index - 1], value));
}
