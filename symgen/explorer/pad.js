// A pad to draw on, by pointer or by keys; what is drawn goes to the server in the model's size.
// The page may make its elements anew, so that all events are those of what holds them.
let at = null;
let down = false;
let waiting;

const paper = () => element.querySelector("canvas");
const isPaper = (event) => event.target === paper();

function stroke(to) {
  const pen = paper().getContext("2d");
  pen.strokeStyle = "white";
  pen.lineCap = "round";
  pen.lineWidth = 0.09 * paper().width;
  pen.beginPath();
  pen.moveTo(...at);
  pen.lineTo(...to);
  pen.stroke();
}

// Once strokes have paused: each picture that is sent is computed.
function send() {
  clearTimeout(waiting);
  waiting = setTimeout(sendNow, 150);
}

function sendNow() {
  const small = document.createElement("canvas");
  [small.width, small.height] = [+paper().dataset.width, +paper().dataset.height];
  const pen = small.getContext("2d");
  pen.fillRect(0, 0, small.width, small.height); // black
  pen.imageSmoothingQuality = "high";
  pen.drawImage(paper(), 0, 0, small.width, small.height);
  trigger("submit", { image: small.toDataURL("image/png") });
}

function place(event) {
  const box = paper().getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  return [(x * paper().width) / box.width, (y * paper().height) / box.height];
}

element.addEventListener("pointerdown", (event) => {
  if (!isPaper(event)) return;
  paper().setPointerCapture(event.pointerId);
  at = place(event);
  stroke(at);
});
element.addEventListener("pointermove", (event) => {
  if (!isPaper(event) || !paper().hasPointerCapture(event.pointerId)) return;
  const to = place(event);
  stroke(to);
  at = to;
});
element.addEventListener("pointerup", (event) => {
  if (isPaper(event)) send();
});

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
element.addEventListener("keydown", (event) => {
  const arrow = ARROWS[event.key];
  if (!isPaper(event) || !(arrow || event.key === " ")) return;
  event.preventDefault();
  const { width, height } = paper();
  at ??= [width / 2, height / 2];
  if (arrow) {
    const to = at.map((each, n) => Math.min(width, Math.max(0, each + 0.04 * width * arrow[n])));
    if (down) stroke(to);
    at = to;
  } else {
    down = !down;
    if (down) stroke(at);
  }
  const cursor = element.querySelector(".pen");
  cursor.style.left = `${(100 * at[0]) / width}%`;
  cursor.style.top = `${(100 * at[1]) / height}%`;
  cursor.classList.toggle("down", down);
  if (down || !arrow) send();
});

element.addEventListener("click", (event) => {
  if (event.target.closest("button")) {
    paper().getContext("2d").clearRect(0, 0, paper().width, paper().height);
  }
});
