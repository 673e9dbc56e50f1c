// Orders that move over the streams on the page. The system takes milliseconds; the page takes its time, and shows a
// limited number of orders at once.

import { h } from './dom.js';
import { shortId } from './format.js';
import { isFinal, pathOf } from './streams.js';

/** Time for one stream on the page. */
const STREAM_MS = 1300;
/** Orders that move at once; further ones are counted, not drawn. */
const TRAVELLERS_MAX = 14;

const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');

export class Traffic {
  /** `tracks`: the element of each stream, by name. `open` opens an order. */
  constructor(tracks, open) {
    this.tracks = tracks;
    this.open = open;
    this.travellers = new Map();
    this.paused = false;
    this.notDrawn = 0;
  }

  /** Lets an order travel to the stream where it is now. */
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
      this.notDrawn += 1;
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
    for (let index = 0; index < pathOf(this.order).length; index += 1) {
      const isHere = () => !isFinal(this.order.status) && index === pathOf(this.order).length - 1;
      await this.cross(pathOf(this.order)[index], isHere);
    }
  }

  /** Crosses a stream, and waits in its middle while the order is there. */
  async cross(stream, isHere) {
    const track = this.traffic.tracks.get(stream);
    const { order_id: id, status } = this.order;
    const token = h('button', {
      type: 'button', class: 'token', tabindex: '-1', 'data-status': status,
      'aria-label': `Order ${shortId(id)} on ${stream}`, on: { click: () => this.traffic.open(id) },
    }, shortId(id));
    track.append(token);
    const points = pointsOf(track, token);
    if (isHere()) {
      const middle = Math.ceil(points.length / 2);
      await this.move(token, points.slice(0, middle), STREAM_MS / 2);
      while (isHere()) {
        token.classList.add('waits');
        await new Promise((resolve) => { this.wake = resolve; });
      }
      token.classList.remove('waits');
      token.dataset.status = this.order.status;
      await this.move(token, points.slice(middle - 1), STREAM_MS / 2);
    } else {
      await this.move(token, points, STREAM_MS);
    }
    token.remove();
  }

  async move(token, points, duration) {
    const frames = points.map(([x, y]) => ({ transform: `translate(${x}px, ${y}px)` }));
    if (reducedMotion.matches) frames.splice(0, frames.length - 1);
    this.animation = token.animate(frames, { duration, fill: 'forwards', easing: 'ease-in-out' });
    if (this.traffic.paused) this.animation.pause();
    await this.animation.finished;
    token.style.transform = frames.at(-1).transform;
    this.animation.cancel();
    this.animation = null;
  }
}

/** The points of a track, an odd number of them: along it, or out and back in a loop. */
function pointsOf(track, token) {
  const width = Math.max(0, track.clientWidth - token.offsetWidth);
  if (track.dataset.direction === 'loop') {
    const far = Math.max(0, track.querySelector('.rail').offsetWidth - token.offsetWidth);
    return [[0, -11], [far, -11], [far, 0], [far, 11], [0, 11]];
  }
  const points = [[0, 0], [width / 2, 0], [width, 0]];
  return track.dataset.direction === 'back' ? points.reverse() : points;
}
