// Orders as they travel over the lanes. What takes the system milliseconds is shown slowly, and only so much at once.

import { h } from './dom.js';
import { tail } from './format.js';
import { isEnd, wayOf } from './lanes.js';

/** How long one lane takes on the page. */
const LANE_MS = 1300;
/** Orders on their way at once; what comes beyond is counted, not drawn. */
const TRAVELLERS_MAX = 14;

const still = matchMedia('(prefers-reduced-motion: reduce)');

export class Traffic {
  /** `tracks` by stream: where an order travels; `open` opens an order. */
  constructor(tracks, open) {
    this.tracks = tracks;
    this.open = open;
    this.travellers = new Map();
    this.paused = false;
    this.beyond = 0;
  }

  /** Has an order travel on to where it is now. */
  send(order) {
    const known = this.travellers.get(order.order_id);
    if (known) {
      known.order = order;
      known.wake();
    } else if (this.travellers.size < TRAVELLERS_MAX) {
      const traveller = new Traveller(order, this);
      this.travellers.set(order.order_id, traveller);
      traveller.go().finally(() => this.travellers.delete(order.order_id));
    } else {
      this.beyond += 1;
    }
  }

  pause(paused) {
    this.paused = paused;
    for (const { animation } of this.travellers.values()) {
      if (paused) animation?.pause();
      else animation?.play();
    }
  }
}

class Traveller {
  constructor(order, traffic) {
    this.order = order;
    this.traffic = traffic;
    this.animation = null;
    this.wake = () => {};
  }

  async go() {
    for (let lane = 0; ; lane += 1) {
      const way = wayOf(this.order);
      if (lane >= way.length) return;
      const isLast = () => !isEnd(this.order.status) && lane === wayOf(this.order).length - 1;
      await this.cross(way[lane], isLast);
    }
  }

  /** Crosses a lane, and waits in its middle as long as the order is on it. */
  async cross(stream, isHere) {
    const track = this.traffic.tracks.get(stream);
    const { order_id: id, status } = this.order;
    const token = h('button', {
      type: 'button', class: 'token', tabindex: '-1', 'data-status': status,
      'aria-label': `Order ${tail(id)} on ${stream}`, on: { click: () => this.traffic.open(id) },
    }, tail(id));
    track.append(token);
    const path = pathOf(track, token);
    if (isHere()) {
      const middle = Math.ceil(path.length / 2);
      await this.run(token, path.slice(0, middle), LANE_MS / 2);
      while (isHere()) {
        token.classList.add('waits');
        await new Promise((resolve) => { this.wake = resolve; });
      }
      token.classList.remove('waits');
      token.dataset.status = this.order.status;
      await this.run(token, path.slice(middle - 1), LANE_MS / 2);
    } else {
      await this.run(token, path, LANE_MS);
    }
    token.remove();
  }

  async run(token, path, duration) {
    const frames = path.map(([x, y]) => ({ transform: `translate(${x}px, ${y}px)` }));
    if (still.matches) frames.splice(0, frames.length - 1);
    this.animation = token.animate(frames, { duration, fill: 'forwards', easing: 'ease-in-out' });
    if (this.traffic.paused) this.animation.pause();
    await this.animation.finished;
    token.style.transform = frames.at(-1).transform;
    this.animation.cancel();
    this.animation = null;
  }
}

/** The way over a track, an odd number of points: along it, or out and back in a loop. */
function pathOf(track, token) {
  const width = Math.max(0, track.clientWidth - token.offsetWidth);
  if (track.dataset.direction === 'loop') {
    const far = Math.max(0, track.querySelector('.rail').offsetWidth - token.offsetWidth);
    return [[0, -11], [far, -11], [far, 0], [far, 11], [0, 11]];
  }
  const ends = [[0, 0], [width / 2, 0], [width, 0]];
  return track.dataset.direction === 'back' ? ends.reverse() : ends;
}
