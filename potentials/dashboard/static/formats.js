// Formatting of values; a dash for missing values.
"use strict";
const formats = (() => {
  const NONE = "–";
  const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

  // Three significant digits; powers of ten if the number would be long.
  function number(value, digits = 3) {
    if (!known(value)) return NONE;
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e6 || size < 1e-3) return value.toExponential(digits - 1).replace("e+", "e");
    return Number(value.toPrecision(digits)) >= 10 ** (digits - 1) ? String(Math.round(value)) : value.toPrecision(digits);
  }

  // Two digits, as usual for learning rates: 0.01, 9.7e-4.
  function rate(value) {
    if (!known(value) || value === 0) return known(value) ? "0" : NONE;
    const rounded = Number(value.toPrecision(2));
    return Math.abs(rounded) < 1e-3 ? rounded.toExponential() : String(rounded);
  }

  function duration(seconds) {
    if (!known(seconds)) return NONE;
    if (seconds < 60) return `${Math.round(seconds)}s`;
    const minutes = Math.round(seconds / 60);
    if (minutes < 60) return seconds < 600 ? `${Math.floor(seconds / 60)}m ${String(Math.floor(seconds % 60)).padStart(2, "0")}s` : `${minutes}m`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return `${hours}h ${String(minutes % 60).padStart(2, "0")}m`;
    return `${Math.floor(hours / 24)}d ${hours % 24}h`;
  }

  function ago(seconds) {
    if (!known(seconds)) return NONE;
    return seconds < 5 ? "just now" : `${duration(seconds)} ago`;
  }

  function time(stamp) {
    if (!known(stamp)) return NONE;
    const date = new Date(1000 * stamp), pad = (n) => String(n).padStart(2, "0");
    const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
    const clock = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
    return date.toDateString() === new Date().toDateString() ? clock : `${day} ${clock.slice(0, 5)}`;
  }

  function bytes(value) {
    if (!known(value)) return NONE;
    for (const [unit, factor] of [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) if (value >= factor) return `${number(value / factor)} ${unit}`;
    return `${value} B`;
  }

  function epoch(value) {
    return known(value) ? (Number.isInteger(value) ? String(value) : value.toFixed(value < 100 ? 1 : 0)) : NONE;
  }

  return { NONE, known, number, rate, duration, ago, time, bytes, epoch };
})();
