"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const moves = matchMedia("(prefers-reduced-motion: reduce)");
let example, way, clock;

function options(select, labels) {
  select.replaceChildren(...labels.map((label, n) => new Option(label, n)));
}

// A tile of a sheet: the sheet behind an element that shows one of its pictures.
function tile(sheet, kind, title) {
  const figure = document.createElement("figure");
  const picture = document.createElement("div");
  const caption = document.createElement("figcaption");
  picture.className = `tile ${kind}`;
  picture.setAttribute("role", "img");
  picture.style.aspectRatio = sheet.ratio;
  picture.style.backgroundImage = `url("${sheet.source}")`;
  picture.style.backgroundSize = `${100 * sheet.columns}% ${100 * sheet.rows}%`;
  figure.append(picture, caption);
  figure.show = (number, words) => {
    const share = (index, count) => (count > 1 ? (100 * index) / (count - 1) : 0);
    const [column, row] = [number % sheet.columns, Math.floor(number / sheet.columns)];
    picture.style.backgroundPosition =
      `${share(column, sheet.columns)}% ${share(row, sheet.rows)}%`;
    picture.dataset.number = number;
    picture.setAttribute("aria-label", `${title} ${words}`.trim());
    caption.textContent = `${title} ${words}`.trim();
  };
  return figure;
}

function show() {
  const number = +at("roll").value;
  const value = way.values[number];
  const words = `${Number(value.toFixed(2))} ${way.unit}`.trim();
  at("value").textContent = words;
  at("roll").setAttribute("aria-valuetext", words);
  const stage = at("stage");
  stage.main.show(number, words);
  if (stage.map) stage.map.show(number, "");
  for (const beside of stage.beside) {
    const frame = Math.round(value) % beside.frames;
    beside.show(frame, frame);
  }
}

function chooseWay() {
  way = example.ways[+at("way").value];
  const stage = at("stage");
  stage.main = tile(way.picture, "rolled", way.unit ? "rolled by" : way.label);
  stage.map = way.map && tile(way.map, "map", "capsules of frame 0, rolled");
  stage.beside = example.beside.map((each) => {
    const made = tile(each.picture, "", each.label);
    made.frames = each.frames;
    return made;
  });
  stage.replaceChildren(...[stage.main, ...stage.beside, stage.map].filter(Boolean));
  at("name").textContent = way.unit ? "Roll" : "Value";
  at("roll").max = way.values.length - 1;
  at("roll").value = way.start;
  show();
}

function chooseExample() {
  example = data.examples[+at("example").value];
  const before = Math.min(Math.max(0, +at("way").value), example.ways.length - 1);
  options(at("way"), example.ways.map((each) => each.label));
  at("way").value = before;
  at("below").innerHTML = example.below;
  chooseWay();
}

function tick() {
  at("roll").value = (+at("roll").value + 1) % way.values.length;
  show();
  clock = setTimeout(tick, 1000 / +at("speed").value);
}

function play() {
  const runs = clock !== undefined;
  clearTimeout(clock);
  clock = undefined;
  at("play").textContent = runs ? "Play" : "Pause";
  if (!runs) tick();
}

at("origin").textContent = `Examples: ${data.origin}.`;
options(at("example"), data.examples.map((each) => each.title));
at("roll").addEventListener("input", show);
at("way").addEventListener("change", chooseWay);
at("example").addEventListener("change", chooseExample);
at("play").addEventListener("click", play);
if (moves.matches) at("speed").value = 2;
chooseExample();
