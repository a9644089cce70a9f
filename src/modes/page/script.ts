/** The page's script: the search in the table of leases. Any of the words may stand anywhere in a row; all of them must. */
export const script = `
const search = document.getElementById('search');
const rows = [...document.querySelectorAll('#leases tbody tr')].map((row) => ({ row, text: row.textContent.toLowerCase() }));
search.addEventListener('input', () => {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  for (const { row, text } of rows) {
    row.hidden = !words.every((word) => text.includes(word));
    if (!row.hidden) shown += 1;
  }
  document.getElementById('shown').value = shown;
});
`;
