"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const byId = (id) => document.getElementById(id);

  /** An element with text, never with markup: names of files are a stranger's words. */
  const make = (tag, text, className) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  };
  const number = (value, digits = 0) => value.toLocaleString("en-US", { maximumFractionDigits: digits });
  const duration = (seconds) => {
    if (seconds === null || seconds === undefined) return "unknown";
    if (seconds < 10) return `${seconds.toFixed(1)} s`;
    if (seconds < 60) return `${seconds.toFixed(0)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(Math.round(seconds % 60)).padStart(2, "0")} s`;
    return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, "0")} min`;
  };
  const bound = (seconds) => (seconds < 60 ? `${seconds} s` : seconds < 3600 ? `${seconds / 60} min` : `${seconds / 3600} h`);
  const memory = (mib) => (mib < 1024 ? `${number(mib)} MiB` : `${number(mib / 1024, 1)} GiB`);
  const usd = (value) => (value === null ? "unknown" : value === 0 ? "$0" : `$${value < 1 ? value.toFixed(4) : number(value, 2)}`);
  const clock = (milliseconds, span) => {
    const moment = new Date(milliseconds);
    const time = { hour: "2-digit", minute: "2-digit", hour12: false };
    if (span < 600e3) return moment.toLocaleTimeString("en-GB", { ...time, second: "2-digit" });
    if (span < 2 * 86400e3) return moment.toLocaleTimeString("en-GB", time);
    return moment.toLocaleString("en-GB", { day: "numeric", month: "short", ...time });
  };

  const ofPipeline = (index) => css(`--c${index % 8}`);
  const ofPool = (index) => css(`--p${index % 4}`);

  /** Ticks at round times of the day, or round durations: Chart.js knows round numbers only. */
  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
  const roundTicks = (offset) => (axis) => {
    const span = (axis.max - axis.min) / 1000;
    const step = 1000 * (STEPS.find((each) => span / each <= 9) || 2592000);
    const first = Math.ceil((axis.min - offset) / step) * step + offset;
    axis.ticks = [];
    for (let value = first; value <= axis.max; value += step) axis.ticks.push({ value });
  };
  const midnight = (milliseconds) => new Date(milliseconds).setHours(0, 0, 0, 0);
  const table = (place, heads, rows, empty) => {
    if (!rows.length) {
      place.append(make("p", empty, "none"));
      return;
    }
    const whole = make("table");
    const top = whole.createTHead().insertRow();
    heads.forEach(([text, kind]) => top.append(make("th", text, kind)));
    const body = whole.createTBody();
    rows.forEach((cells) => {
      const row = body.insertRow();
      cells.forEach((cell, index) => {
        const place = make("td", cell instanceof Node ? undefined : cell, heads[index][1]);
        if (cell instanceof Node) place.append(cell);
        row.append(place);
      });
    });
    place.append(whole);
  };

  const about = () => {
    const { environment, group, since, made_at: made } = data.about;
    document.title = `${environment}/${group}: dropbatch report`;
    byId("title").textContent = `${environment} / ${group}`;
    byId("about").textContent =
      `${number(data.totals.runs)} run${data.totals.runs === 1 ? "" : "s"} ${since}, as of ${new Date(made).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })}`;
    const { totals } = data;
    const states = totals.states;
    const ended = ["FAILED", "REJECTED", "CANCELLED"].reduce((sum, state) => sum + (states[state] || 0), 0);
    const open = ["HELD", "SUBMITTED", "RUNNING"].reduce((sum, state) => sum + (states[state] || 0), 0);
    const tiles = [
      [totals.succeeded_percent === null ? "–" : `${totals.succeeded_percent} %`, "of what ended succeeded",
        totals.succeeded_percent === 100 ? "good" : ended ? "bad" : ""],
      [number(open), "not ended yet", ""],
      [duration(totals.median_wait_seconds), "median wait for a machine", ""],
      [duration(totals.median_run_seconds), "median run", ""],
      [duration(totals.run_hours * 3600), "of running, all together", ""],
      [usd(totals.usd), totals.usd !== null && totals.cost_unknown_of ? `cost at least; of ${number(totals.cost_unknown_of)} unknown` : "estimated cost of machines", ""],
    ];
    tiles.forEach(([value, text, kind]) => {
      const tile = make("div", undefined, `tile ${kind}`);
      tile.append(make("b", value), make("span", text));
      byId("tiles").append(tile);
    });
  };

  const tables = () => {
    table(
      byId("failures"),
      [["runs", "number"], ["state", ""], ["reason", "wide"], ["for example", ""]],
      data.failures.shown.map((each) => [number(each.runs), each.state, each.reason || "no reason given", make("code", each.example)]),
      "Everything that ended succeeded.",
    );
    const more = data.failures.runs_left_out;
    if (more) byId("failures").append(make("p", `and ${number(more)} more runs, of rarer reasons`, "none"));
    table(
      byId("longest"),
      [["ran", "number"], ["pipeline", ""], ["file", "wide"], ["run", ""]],
      data.longest.map((each) => [duration(each.seconds), each.pipeline, each.name, make("code", each.run_id)]),
      "Nothing has run yet.",
    );
    const meter = (each) => {
      const bar = make("div", undefined, "meter");
      [["most", each.most], ["", each.median]].forEach(([kind, value]) => {
        const part = make("i", undefined, kind);
        part.style.width = `${Math.min((100 * value) / each.asked, 100)}%`;
        bar.append(part);
      });
      bar.title = `median ${memory(each.median)}, most ${memory(each.most)} of ${memory(each.asked)}`;
      return bar;
    };
    const advice = (each) => {
      const share = each.most / each.asked;
      if (share > 0.9) return "close to its limit: ask for more, or set memory_steps";
      if (share < 0.5 && each.runs >= 5) return `memory_mib = ${Math.max(64, Math.ceil((each.most * 1.3) / 64) * 64)} would do with room to spare`;
      return "";
    };
    table(
      byId("memory"),
      [["pipeline", ""], ["runs", "number"], ["asked", "number"], ["median", "number"], ["95 %", "number"], ["most", "number"], ["of what was asked", ""], ["", "wide advice"]],
      data.memory.map((each) => [each.pipeline, number(each.runs), memory(each.asked), memory(each.median), memory(each.most_95), memory(each.most), meter(each), advice(each)]),
      "Not known of any run: it takes a run record, and a single try.",
    );
  };

  const scale = (title, more = {}) => ({
    grid: { color: css("--grid") },
    border: { color: css("--line") },
    title: { display: Boolean(title), text: title, color: css("--soft") },
    ...more,
    ticks: { color: css("--soft"), maxRotation: 0, autoSkipPadding: 16, ...more.ticks },
  });
  const options = (more) => ({
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    ...more,
    plugins: { legend: { position: "bottom", align: "start", labels: { color: css("--text"), boxWidth: 12, boxHeight: 12 } }, ...more.plugins },
  });

  const rows = ({ relative, origin, runs }) => {
    byId("timeline-note").textContent = relative
      ? "A row for each run, in order of their drops; each begins at its own drop, which lie far apart."
      : "A row for each run, in order of their drops.";
    byId("timeline-box").style.height = `${Math.max(120, 70 + runs.length * 22)}px`;
    const zero = relative ? 0 : Date.parse(origin);
    const place = (seconds) => zero + seconds * 1000;
    const span = (from, length) => runs.map((run) => { const begin = from(run); return [place(begin), place(begin + length(run))]; });
    const end = Math.max(...runs.map((run) => run.at + run.wait + run.start + run.run), 1);
    const bars = (label, color, values) => ({ label, data: values, backgroundColor: color, barPercentage: 0.8, categoryPercentage: 0.9, minBarLength: 2 });
    const sets = [
      bars("waiting", css("--wait"), span((run) => run.at, (run) => run.wait)),
      bars("starting", css("--start"), span((run) => run.at + run.wait, (run) => run.start)),
      ...data.pools.map((pool, index) =>
        bars(`running, ${pool}`, ofPool(index),
          span((run) => run.at + run.wait + run.start, (run) => run.run).map((values, row) => (runs[row].pool === pool ? values : null)))),
    ];
    return {
      type: "bar",
      data: { labels: runs.map((run) => `${run.name.length > 28 ? `…${run.name.slice(-27)}` : run.name}  ${run.run_id.slice(0, 8)}`), datasets: sets },
      options: options({
        indexAxis: "y",
        plugins: { tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${duration((item.raw[1] - item.raw[0]) / 1000)}` } } },
        scales: {
          x: scale(relative ? "since the drop" : "", { afterBuildTicks: roundTicks(relative ? 0 : midnight(zero)), min: place(0), max: place(end * 1.01), ticks: { callback: (value) => (relative ? duration(value / 1000) : clock(value, end * 1000)) } }),
          y: scale("", { stacked: true, grid: { display: false }, ticks: { autoSkip: false } }),
        },
      }),
    };
  };

  const load = ({ origin, step_seconds: step, waiting, pools }) => {
    byId("timeline-note").textContent = "How many runs waited for a machine, and how many ran in each pool: the most at a time.";
    const zero = Date.parse(origin);
    const whole = waiting.length * step * 1000;
    const points = (values) => values.map((y, index) => ({ x: zero + index * step * 1000, y }));
    const line = (label, color, values, more) => ({
      label, data: points(values), borderColor: color, backgroundColor: `${color}66`, fill: true, stepped: true, borderWidth: 1.5, pointRadius: 0, pointHitRadius: 6, ...more,
    });
    return {
      type: "line",
      data: {
        datasets: [
          ...data.pools.map((pool, index) => line(`running, ${pool}`, ofPool(index), pools[pool], { stack: "running" })),
          line("waiting", css("--wait"), waiting, { stack: "waiting", fill: false, borderDash: [4, 3], borderColor: css("--soft"), backgroundColor: "transparent" }),
        ],
      },
      options: options({
        parsing: false,
        interaction: { mode: "index", intersect: false },
        plugins: { tooltip: { callbacks: { title: (items) => clock(items[0].parsed.x, whole) } } },
        scales: {
          x: scale("", { type: "linear", afterBuildTicks: roundTicks(midnight(zero)), min: zero, max: zero + whole, ticks: { callback: (value) => clock(value, whole) } }),
          y: scale("runs", { stacked: true, beginAtZero: true, ticks: { precision: 0 } }),
        },
      }),
    };
  };

  const stacked = (labels, values, { title = "", below = "", format, whole = (index) => labels[index] }) => ({
    type: "bar",
    data: {
      labels,
      datasets: Object.entries(values).map(([label, list], index) => ({ label, data: list, backgroundColor: ofPipeline(index), maxBarThickness: 56 })),
    },
    options: options({
      plugins: { tooltip: { callbacks: { title: (items) => whole(items[0].dataIndex), label: (item) => `${item.dataset.label}: ${format(item.raw)}` } } },
      scales: {
        x: scale(below, { stacked: true, grid: { display: false } }),
        y: scale(title, { stacked: true, beginAtZero: true, ticks: format === number ? { precision: 0 } : { callback: (value) => format(value) } }),
      },
    }),
  });

  const span = (from, to) => (to === null ? `≥ ${bound(from)}` : from === 0 ? `< ${bound(to)}` : from < 60 && to <= 60 ? `${from}–${bound(to)}` : `${bound(from)}–${bound(to)}`);
  const nothing = (id, text) => byId(id).parentElement.replaceChildren(make("p", text, "none"));

  about();
  tables();
  const charts = [];
  const draw = () => {
    charts.splice(0).forEach((chart) => chart.destroy());
    const add = (id, settings) => charts.push(new Chart(byId(id), settings));
    if (data.load) add("timeline", load(data.load));
    else if (data.rows && data.rows.runs.length) add("timeline", rows(data.rows));
    else if (byId("timeline")) nothing("timeline", "Nothing has started yet.");
    const { durations, cost } = data;
    if (durations) {
      const whole = (index) => span(durations.from[index], durations.to[index]);
      add("durations", stacked(durations.from.map(bound), durations.counts, { title: "runs", below: "at least", format: number, whole }));
    }
    if (!durations && byId("durations")) nothing("durations", "Nothing has ended yet.");
    if (cost) {
      byId("cost-note").textContent = "US dollars by day of the drop, for machines only, by the prices in the environment file.";
      add("cost", stacked(cost.days.map((day) => day.slice(5)), cost.usd, { format: usd }));
    } else if (byId("cost")) nothing("cost", "Not known: set the prices of the pools in the environment file.");
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.documentElement.dataset.drawn = String(charts.length);
})();
