// Draws panels of a Grafana dashboard with uPlot. Runs in the browser; dashboard.ts calls drawPanels.

const colours = ['#3b78c4', '#d98f1f', '#3f9b57', '#c4453b', '#7d5bb0', '#2a9d9d', '#b5538f', '#7a7a2a', '#555d66'];
const named = { green: '#2f8f4e', orange: '#d9821f', red: '#c9362b', blue: '#3b78c4' };

const css = `
  body { margin: 0; background: #f0f2f4; font: 12px 'DejaVu Sans', sans-serif; color: #24292f; }
  section { position: absolute; box-sizing: border-box; padding: 3px; }
  section > div { box-sizing: border-box; height: 100%; background: #fff; border: 1px solid #d8dce0; border-radius: 3px;
    padding: 7px 9px; overflow: hidden; display: flex; flex-direction: column; }
  h2 { margin: 0 0 4px; font-size: 12px; font-weight: 600; white-space: nowrap; }
  .big { flex: 1; display: flex; align-items: center; justify-content: center; font-size: 30px; font-weight: 600; }
  .legend { line-height: 15px; font-size: 10.5px; overflow: hidden; max-height: 45px; flex: none; }
  .legend span { margin-right: 12px; white-space: nowrap; display: inline-block; }
  .legend i { display: inline-block; width: 12px; height: 3px; margin-right: 4px; vertical-align: middle; }
  .bar { margin: 10px 0; } .bar b { font-weight: 400; display: flex; justify-content: space-between; margin-bottom: 3px; }
  .bar div { background: #e9ecef; height: 16px; } .bar div div { height: 16px; }
`;

function format(unit, value) {
  const short = (number) => String(Number(number.toPrecision(3)));
  if (value === null || value === undefined) return '-';
  if (unit === 's') {
    if (value === 0) return '0';
    if (value < 1) return `${short(value * 1000)} ms`;
    if (value < 120) return `${short(value)} s`;
    if (value < 172800) return `${short(value / 3600)} h`;
    return `${Math.floor(value / 86400)} days`;
  }
  if (unit === 'bytes') return `${short(value)} MiB`;
  if (unit === 'percentunit') return `${short(value * 100)} %`;
  return short(value);
}

/** The colour of the highest step that the value reaches. */
function thresholdColour({ thresholds }, value) {
  const reached = (thresholds?.steps ?? []).filter((step) => step.value === null || value >= step.value);
  return named[reached.at(-1)?.color] ?? named.blue;
}

function last(values) {
  return values.findLast((value) => value !== null);
}

function element(parent, tag, properties = {}, style = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.assign(made.style, style);
  parent.append(made);
  return made;
}

function drawStat(box, { fieldConfig: { defaults }, series }) {
  const value = last(series[0]?.values ?? []);
  const mapped = defaults.mappings?.[0]?.options[value]?.text;
  const text = mapped ?? format(defaults.unit, value);
  element(box, 'div', { className: 'big', textContent: text }, { color: thresholdColour(defaults, value) });
}

function drawBars(box, { fieldConfig: { defaults }, series }) {
  for (const { name, values } of series) {
    const value = last(values);
    const bar = element(box, 'div', { className: 'bar' });
    const label = element(bar, 'b');
    element(label, 'span', { textContent: name });
    element(label, 'span', { textContent: format(defaults.unit, value) });
    const colour = thresholdColour(defaults, value);
    element(element(bar, 'div'), 'div', {}, { width: `${(100 * value) / (defaults.max ?? 1)}%`, background: colour });
  }
}

function drawLines(box, { fieldConfig: { defaults }, times, series }) {
  const chart = element(box, 'div', {}, { flex: '1', minHeight: '0' });
  const legend = element(box, 'div', { className: 'legend' });
  const shown = series.map((one, index) => ({ ...one, colour: colours[index % colours.length] }));
  for (const { name, colour } of shown) {
    const entry = element(legend, 'span');
    element(entry, 'i', {}, { background: colour });
    entry.append(name);
  }
  const { width, height } = chart.getBoundingClientRect();
  const axis = {
    font: "10px 'DejaVu Sans'",
    stroke: '#57606a',
    grid: { stroke: '#eceef0', width: 1 },
    ticks: { show: false },
  };
  const clock = (_, splits) => splits.map((time) => new Date(time * 1000).toISOString().slice(11, 19));
  const values = (_, splits) => splits.map((value) => format(defaults.unit, value));
  new uPlot(
    {
      ...{ width, height, legend: { show: false }, cursor: { show: false } },
      scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
      axes: [
        { ...axis, values: clock, size: 22, space: 90 },
        { ...axis, values, size: 56, space: 26 },
      ],
      series: [{}, ...shown.map(({ colour }) => ({ stroke: colour, width: 1.4, points: { show: false } }))],
    },
    // Round numbers of mebibytes.
    [
      times,
      ...shown.map((one) =>
        defaults.unit === 'bytes' ? one.values.map((value) => value && value / 2 ** 20) : one.values,
      ),
    ],
    chart,
  );
}

const kinds = { stat: drawStat, bargauge: drawBars, timeseries: drawLines };

globalThis.drawPanels = (panels, { column, row }) => {
  element(document.head, 'style', { textContent: css });
  for (const panel of panels) {
    const { x, y, w, h } = panel.gridPos;
    const place = { left: `${x * column}px`, top: `${y * row}px`, width: `${w * column}px`, height: `${h * row}px` };
    const box = element(element(document.body, 'section', {}, place), 'div');
    element(box, 'h2', { textContent: panel.title });
    kinds[panel.type](box, panel);
  }
};
