"use strict";
// Learning curves, drawn by uPlot: per rung every repeat, the means, the onset and what guessing would give.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const known = (values) => values.filter((value) => value !== null && value !== undefined);
  const mean = (values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : null);
  const shown = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));
  const across = (repeats, epoch) => known(repeats.map((series) => series[epoch]));
  // A mean of the fits that are left, where others have ended, would move by who is left: it is drawn while all are there.
  const together = (rung, repeats, epoch) => {
    const counted = repeats.filter((_, fit) => rung.counted[fit]);
    const values = across(counted, epoch);
    return values.length === counted.length ? mean(values) : null;
  };
  const read = (rung, repeats, epoch) => {
    if (epoch === null || epoch === undefined) return "–";
    const values = across(repeats, epoch);
    if (!values.length) return "–";
    const spread = values.length > 1 ? [`${shown(Math.min(...values))} to ${shown(Math.max(...values))}`] : [];
    const left = values.length < repeats.length ? [`${values.length} of ${repeats.length} fits`] : [];
    const aside = [...spread, ...left].join(", ");
    return shown(together(rung, repeats, epoch)) + (aside && ` (${aside})`);
  };
  const epochsOf = (rung) => Array.from({ length: rung.epochs }, (_, i) => i + 1);
  const few = (rung) => ({ show: rung.epochs < 3 });
  const charts = [];
  let metric = "loss";

  const top = (kind) => {
    if (kind === "accuracy") return 1;
    const all = data.rungs.flatMap((rung) => known([...rung.loss.train, ...rung.loss.validation].flat()));
    all.sort((a, b) => a - b);
    return Math.max(...data.rungs.map((rung) => rung.chance.loss * 1.15), (all[Math.floor(all.length * 0.995)] ?? 0) * 1.1);
  };

  const backdrop = (rung) => (plot) => {
    const { ctx } = plot;
    const { left, top: above, width, height } = plot.bbox;
    const right = left + width;
    const x = (epoch) => plot.valToPos(epoch, "x", true);
    const line = (points, dash) => {
      ctx.beginPath();
      ctx.setLineDash(dash);
      ctx.moveTo(...points[0]);
      ctx.lineTo(...points[1]);
      ctx.stroke();
    };
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, above, width, height);
    ctx.clip();
    ctx.strokeStyle = ctx.fillStyle = colour("onset");
    ctx.lineWidth = 1.5 * devicePixelRatio;
    if (rung.onset) {
      const [point, low, high] = rung.onset;
      if (low !== null || high !== null) {
        const begin = low === null ? left : x(low);
        const end = high === null ? right : x(high);
        ctx.globalAlpha = 0.12;
        ctx.fillRect(begin, above, Math.max(end - begin, 2), height);
        ctx.globalAlpha = 1;
      }
      line([[x(point), above], [x(point), above + height]], [10, 4, 2, 4]);
    }
    const y = plot.valToPos(rung.chance[metric], "y", true);
    ctx.strokeStyle = colour("soft");
    line([[left, y], [right, y]], [2, 4]);
    ctx.restore();
  };

  const draw = (place) => {
    const rung = data.rungs[+place.dataset.rung];
    const { train, validation } = rung[metric];
    const epochs = epochsOf(rung);
    const means = [train, validation].map((repeats) => epochs.map((_, i) => together(rung, repeats, i)));
    const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } };
    const series = (name, repeats) => ({
      label: name, stroke: colour(name), width: 2.5, dash: name === "training" ? [7, 4] : undefined, spanGaps: true,
      value: (_, value, s, i) => read(rung, repeats, i), points: few(rung),
    });
    const thin = (name) => () => ({ stroke: colour(name) + "66", width: 1, points: few(rung) });
    const high = top(metric);
    const plot = new uPlot({
      width: place.clientWidth, height: 200, cursor: { sync: { key: `of ${rung.epochs} epochs` }, points: { show: false } },
      scales: { x: { time: false, range: (_, low, last) => [low, Math.max(last, low + 1)] }, y: { range: () => [0, high] } },
      series: [
        { label: "epoch", value: (_, epoch) => epoch ?? "–" }, series("training", train), series("validation", validation),
        ...train.map(thin("training")), ...validation.map(thin("validation")),
      ],
      axes: [
        { ...axis, label: "epoch", labelSize: 16, size: 30, font: "11px system-ui", labelFont: "11px system-ui", incrs: [1, 2, 5, 10, 20, 50, 100] },
        { ...axis, label: metric === "loss" ? "cross-entropy (nats)" : "accuracy", labelSize: 16, size: 38, font: "11px system-ui", labelFont: "11px system-ui" },
      ],
      legend: { markers: { width: 0 } },
      hooks: { drawClear: [backdrop(rung)] },
    }, [epochs, ...means, ...train, ...validation], place);
    charts.push({ plot, rung });
  };

  const drawAll = () => {
    for (const { plot } of charts.splice(0)) plot.destroy();
    document.querySelectorAll(".chart").forEach(draw);
  };

  for (const button of document.querySelectorAll("[data-metric]")) {
    button.addEventListener("click", () => {
      metric = button.dataset.metric;
      for (const other of document.querySelectorAll("[data-metric]")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      for (const details of document.querySelectorAll("details.values[open]")) fill(details);
      drawAll();
    });
  }
  document.querySelector("[data-reset]").addEventListener("click", () => {
    for (const { plot, rung } of charts) plot.setScale("x", { min: 1, max: rung.epochs });
  });

  // The same numbers as a table: for who can't use a pointer.
  const fill = (details) => {
    const rung = data.rungs[+details.dataset.rung];
    const { train, validation } = rung[metric];
    const table = document.createElement("table");
    const row = (place, texts, kind) => {
      const line = place.insertRow();
      for (const text of texts) {
        const cell = document.createElement(kind);
        if (kind === "th") cell.scope = "col";
        cell.textContent = text;
        line.append(cell);
      }
    };
    row(table.createTHead(), ["epoch", "training", "validation"], "th");
    const body = table.createTBody();
    epochsOf(rung).forEach((epoch, i) => row(body, [epoch, read(rung, train, i), read(rung, validation, i)], "td"));
    details.querySelector("div").replaceChildren(table);
  };
  for (const details of document.querySelectorAll("details.values")) {
    details.addEventListener("toggle", () => { if (details.open) fill(details); });
  }

  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  addEventListener("resize", () => {
    for (const { plot } of charts) plot.setSize({ width: plot.root.parentElement.clientWidth, height: 200 });
  });
})();
