// Sorts and filters tables, shows the values of charts, unfolds sections before printing. The page is complete without this script.
(function () {
  'use strict';
  const FILTER_FROM = 9; // rows
  const REACH = 60; // largest distance between the pointer and a value, in the units of the chart

  const make = (name, attributes, text) => {
    const element = document.createElement(name);
    Object.keys(attributes).forEach((key) => element.setAttribute(key, attributes[key]));
    if (text) element.textContent = text;
    return element;
  };

  // Tables ------------------------------------------------------------------------------------------------------------------
  const key = (row, column, number) => {
    const cell = row.cells[column];
    if (!number) return cell.textContent.trim().toLowerCase();
    const value = cell.getAttribute('data-v');
    return value ? parseFloat(value) : -Infinity;
  };

  const sort = (table, head, column) => {
    const number = head.classList.contains('n');
    const was = head.getAttribute('aria-sort');
    const down = was === 'none' ? number : was === 'ascending';
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => [key(row, column, number), row]);
    rows.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0) * (down ? -1 : 1));
    // The rows are moved while they are not in the page; otherwise every row would be styled again for each move.
    const after = body.nextSibling;
    body.remove();
    body.append(...rows.map((pair) => pair[1]));
    table.insertBefore(body, after);
    Array.from(table.tHead.rows[0].cells).forEach((other) => other.setAttribute('aria-sort', 'none'));
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
  };

  const sortable = (table) => {
    Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
      const button = make('button', { type: 'button' });
      ['title', 'aria-describedby'].filter((name) => head.hasAttribute(name)).forEach((name) => {
        button.setAttribute(name, head.getAttribute(name));
        head.removeAttribute(name);
      });
      head.removeAttribute('tabindex');
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      head.setAttribute('aria-sort', 'none');
      button.addEventListener('click', () => sort(table, head, column));
    });
  };

  const filterable = (table) => {
    const name = table.getAttribute('data-name');
    const rows = Array.from(table.tBodies[0].rows);
    const input = make('input', { type: 'search', 'data-filter': name, 'aria-label': 'Filter ' + table.caption.textContent, placeholder: 'Filter rows' });
    const output = make('output', {});
    const region = table.closest('.scroll');
    const line = make('p', { class: 'filter' });
    line.append(input, output);
    region.before(line);
    const all = document.getElementById('all-' + name);
    const words = rows.map((row) => row.textContent.toLowerCase());
    const narrow = () => {
      const parts = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, i) => {
        row.hidden = !parts.every((part) => words[i].includes(part));
        if (!row.hidden) shown += 1;
      });
      if (all) all.checked = true;
      output.textContent = parts.length > 0 ? shown + ' of ' + rows.length + ' rows' : '';
    };
    input.addEventListener('input', narrow);
    input.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !input.value) return;
      input.value = '';
      narrow();
    });
  };

  document.querySelectorAll('table.sortable').forEach((table) => {
    const rows = table.tBodies[0].rows.length;
    if (rows > 1) sortable(table);
    if (rows >= FILTER_FROM) filterable(table);
  });

  // Charts ------------------------------------------------------------------------------------------------------------------
  const tip = make('div', { role: 'status', class: 'tip' });
  tip.hidden = true;
  document.querySelector('main').appendChild(tip);
  let marked = null;

  const hide = () => {
    tip.hidden = true;
    if (marked) marked.classList.remove('on');
    marked = null;
  };

  const show = (mark) => {
    if (mark.rect === marked) return;
    hide();
    marked = mark.rect;
    marked.classList.add('on');
    tip.textContent = mark.text;
    tip.hidden = false;
    const box = marked.getBoundingClientRect();
    const middle = box.left + Math.min(box.width, 400) / 2;
    const left = Math.max(8, Math.min(middle - tip.offsetWidth / 2, document.documentElement.clientWidth - tip.offsetWidth - 8));
    const above = box.top - tip.offsetHeight - 8;
    tip.style.left = left + window.scrollX + 'px';
    tip.style.top = (above > 8 ? above : Math.min(box.bottom + 8, window.innerHeight - tip.offsetHeight - 8)) + window.scrollY + 'px';
  };

  const distance = (mark, x, y) => Math.hypot(Math.max(mark.x - x, 0, x - mark.right), Math.max(mark.y - y, 0, y - mark.bottom));

  const values = (region) => {
    const svg = region.querySelector('svg');
    const marks = Array.from(svg.querySelectorAll('.values rect'), (rect) => {
      const number = (name) => parseFloat(rect.getAttribute(name));
      const title = rect.querySelector('title');
      const mark = { rect, text: title.textContent, x: number('x'), y: number('y') };
      title.textContent = ''; // otherwise the browser shows its own tooltip too
      mark.right = mark.x + number('width');
      mark.bottom = mark.y + number('height');
      return mark;
    });
    if (marks.length === 0) return;
    const nearest = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      let best = null;
      let least = REACH;
      marks.forEach((mark) => {
        const far = distance(mark, point.x, point.y);
        if (far < least) [best, least] = [mark, far];
      });
      return best;
    };
    const point = (event) => {
      // The page scrolled under a pointer that did not move: keep the value chosen with the keyboard.
      if (event.type === 'pointermove' && event.movementX === 0 && event.movementY === 0) return;
      const mark = nearest(event);
      if (mark) show(mark);
      else hide();
    };
    svg.addEventListener('pointermove', point);
    svg.addEventListener('pointerdown', point);
    svg.addEventListener('pointerleave', (event) => { if (event.pointerType !== 'touch') hide(); });
    region.addEventListener('blur', hide);
    region.addEventListener('keydown', (event) => {
      const now = marks.findIndex((mark) => mark.rect === marked);
      const to = { ArrowRight: now + 1, ArrowDown: now + 1, ArrowLeft: now < 0 ? marks.length - 1 : now - 1, ArrowUp: now < 0 ? marks.length - 1 : now - 1, Home: 0, End: marks.length - 1 }[event.key];
      if (event.key === 'Escape') hide();
      if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      const mark = marks[Math.max(0, Math.min(to, marks.length - 1))];
      mark.rect.scrollIntoView({ block: 'nearest', inline: 'nearest' });
      show(mark);
    });
    region.setAttribute('aria-describedby', 'chart-keys');
  };

  const charts = document.querySelectorAll('.chart-scroll');
  if (charts.length > 0) {
    document.querySelector('main').appendChild(make('p', { id: 'chart-keys', class: 'unseen' }, 'Arrow keys move over the values of a chart, Escape ends.'));
    charts.forEach(values);
  }

  // Terms -------------------------------------------------------------------------------------------------------------------
  // Without this script the browser shows the title of a word that is pointed at, and the style sheet that of one with the focus.
  const explain = (word) => {
    hide();
    tip.textContent = word.getAttribute('data-title');
    tip.hidden = false;
    const box = word.getBoundingClientRect();
    const left = Math.max(8, Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8));
    const below = box.bottom + 6 + tip.offsetHeight < window.innerHeight;
    tip.style.left = left + window.scrollX + 'px';
    tip.style.top = (below ? box.bottom + 6 : box.top - tip.offsetHeight - 6) + window.scrollY + 'px';
  };
  document.querySelectorAll('dfn[title], th button[title], th[title], .takes code[title]').forEach((word) => {
    word.setAttribute('data-title', word.getAttribute('title'));
    word.removeAttribute('title');
    // The description stays what the title was, for readers who hear the page.
    if (!word.hasAttribute('aria-describedby')) word.setAttribute('aria-description', word.getAttribute('data-title'));
    word.addEventListener('pointerenter', () => explain(word));
    word.addEventListener('focus', () => explain(word));
    word.addEventListener('pointerleave', hide);
    word.addEventListener('blur', hide);
    word.addEventListener('keydown', (event) => { if (event.key === 'Escape') hide(); });
  });

  // Contents ----------------------------------------------------------------------------------------------------------------
  // A link to something folded unfolds it.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let part = target; part; part = part.parentElement) if (part.localName === 'details') part.open = true;
    if (target) target.scrollIntoView();
  };
  window.addEventListener('hashchange', reveal);
  if (location.hash) reveal();

  // Paper -------------------------------------------------------------------------------------------------------------------
  // As many tables as six pages hold; the style sheet does the same where a browser can style the content of a folded part.
  let folded = [];
  window.addEventListener('beforeprint', () => {
    folded = Array.from(document.querySelectorAll('details.printed:not([open])'));
    folded.forEach((details) => { details.open = true; });
  });
  window.addEventListener('afterprint', () => {
    folded.forEach((details) => { details.open = false; });
    folded = [];
  });
})();
