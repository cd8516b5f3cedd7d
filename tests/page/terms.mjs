// Words that the glossary explains: with the pointer, with the keyboard, and for readers who hear the page.

/** Returns the problems of the explained words of the opened and unfolded `page`. */
export async function check(page) {
  const words = await page.evaluate(() => {
    const marked = [...document.querySelectorAll('[data-title]')];
    const described = (word) => document.getElementById(word.getAttribute('aria-describedby') ?? '')?.textContent ?? word.getAttribute('aria-description') ?? '';
    return {
      count: marked.length,
      unfocusable: marked.filter((word) => word.tabIndex < 0).map((word) => word.textContent),
      undescribed: marked.filter((word) => described(word) !== word.getAttribute('data-title')).map((word) => word.textContent),
    };
  });
  const problems = [];
  if (words.count < 5) problems.push(`only ${words.count} words are explained`);
  if (words.unfocusable.length > 0) problems.push(`explained words without focus: ${words.unfocusable.slice(0, 3).join(', ')}`);
  if (words.undescribed.length > 0) problems.push(`words whose description is not their explanation: ${words.undescribed.slice(0, 3).join(', ')}`);
  const word = page.locator('[data-title]').first();
  const tip = page.locator('.tip');
  for (const [how, act] of [['the keyboard', () => word.focus()], ['the pointer', () => word.hover()]]) {
    await act();
    const expected = await word.getAttribute('data-title');
    const shown = (await tip.isVisible()) ? await tip.innerText() : '';
    if (shown.trim() !== expected.trim()) problems.push(`${how} shows ${JSON.stringify(shown.slice(0, 60))} for ${JSON.stringify(await word.innerText())}`);
    await word.evaluate((element) => element.blur());
    await page.mouse.move(0, 0);
  }
  return problems;
}
