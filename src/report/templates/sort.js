// Sorts tables by a click on a heading. Nothing needs it.
(function () {
  'use strict';
  var tables = document.querySelectorAll('table.sortable');
  Array.prototype.forEach.call(tables, function (table) {
    var body = table.tBodies[0];
    if (!body || body.rows.length < 3) return;
    var heads = table.tHead.rows[0].cells;
    Array.prototype.forEach.call(heads, function (head, column) {
      var button = document.createElement('button');
      button.type = 'button';
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      button.addEventListener('click', function () {
        var number = head.className.indexOf('n') >= 0;
        var was = head.getAttribute('aria-sort');
        var down = was ? was === 'ascending' : number;
        var rows = Array.prototype.slice.call(body.rows);
        var key = function (row) {
          var cell = row.cells[column];
          var value = cell.getAttribute('data-v');
          return number ? (value ? parseFloat(value) : -Infinity) : cell.textContent.trim().toLowerCase();
        };
        rows = rows.map(function (row) { return [key(row), row]; });
        rows.sort(function (a, b) { return (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0) * (down ? -1 : 1); });
        rows.forEach(function (pair) { body.appendChild(pair[1]); });
        Array.prototype.forEach.call(heads, function (other) { other.removeAttribute('aria-sort'); });
        head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      });
    });
  });
})();
