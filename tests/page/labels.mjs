// Texts of charts, as the browser lays them out: none overlaps another, and none leaves its chart.

/** Returns the problems of the charts of the opened `page`. */
export async function check(page) {
  return page.evaluate(() => {
    const problems = [];
    // A pixel is lost to rounding.
    const SLACK = 1;
    for (const svg of document.querySelectorAll('svg.chart')) {
      const name = svg.closest('figure')?.id ?? 'a chart';
      const frame = svg.getBoundingClientRect();
      const texts = [...svg.querySelectorAll('text')].map((text) => ({ words: text.textContent.trim(), box: text.getBoundingClientRect() }));
      if (texts.length === 0) problems.push(`${name}: no text`);
      for (const { words, box } of texts) {
        if (box.left < frame.left - SLACK || box.right > frame.right + SLACK || box.top < frame.top - 3 || box.bottom > frame.bottom + 3) {
          problems.push(`${name}: ${JSON.stringify(words)} leaves the chart`);
        }
      }
      texts.sort((a, b) => a.box.top - b.box.top);
      for (let i = 0; i < texts.length; i += 1) {
        for (let j = i + 1; j < texts.length && texts[j].box.top < texts[i].box.bottom; j += 1) {
          const [a, b] = [texts[i].box, texts[j].box];
          const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
          // Boxes of lines are higher than their letters.
          const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
          if (wide > SLACK && high > 0.3 * Math.min(a.height, b.height)) {
            problems.push(`${name}: ${JSON.stringify(texts[i].words)} and ${JSON.stringify(texts[j].words)} overlap`);
          }
        }
      }
    }
    return problems.slice(0, 10);
  });
}
