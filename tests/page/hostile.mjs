// Logs written by an attacker: every field that a client controls contains active content, hidden characters, or markup that breaks a format.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Texts that a browser, a terminal, a ticket system or a spreadsheet would act on. Every script sets `__pwned`. */
export const PAYLOADS = [
  '<script>window.__pwned=1</script>',
  '"><img src=x onerror=window.__pwned=1>',
  "'><svg onload=window.__pwned=1>",
  '</title></style></script><script>window.__pwned=1</script>',
  '<iframe srcdoc="<script>parent.__pwned=1</script>"></iframe>',
  '--><h1 onmouseover=window.__pwned=1>pwned</h1><!--',
  '<style>*{display:none}</style><base href=//pwned.invalid/>',
  '<meta http-equiv=refresh content=0;url=https://pwned.invalid/>',
  '" onfocus=window.__pwned=1 autofocus x="',
  '<a href=javascript:window.__pwned=1>pwned</a>',
  '\x1b[2J\x1b[31mpwned\x1b]0;pwned\x07',
  '\u009b31mpwned\u009d0;pwned\u009c',
  'pwned\u202etxt.exe',
  '\u2066pwned\u2069\u200b\u00ad\ufeff',
  'pwned\0\b\x7f\x0c',
  'pwned\u2028line\u2029paragraph\u0085',
  "=cmd|' /C calc'!A0",
  '+pwned+1',
  '-pwned-1',
  '@SUM(1+1)*pwned',
  '![pwned](https://pwned.invalid/p.png)',
  '[pwned](javascript:window.__pwned=1)',
  'a|b`pwned``d',
  '{{7*7}}{% pwned %}${pwned}',
  '&lt;b&gt;pwned&#60;script&#62;',
  '</code></td></tr></table><table class=sortable><tr><td>pwned',
  'p'.repeat(70_000),
  '漢字'.repeat(9_000),
  '🏴'.repeat(500) + '\u{e0067}\u{e007f}',
  'pwned%0d%0aSet-Cookie:%20x=1%00%1b[31m%e2%80%ae',
];

/** Payloads in one log: few enough that the report's lists of the most frequent values show all of them. */
const PAYLOADS_PER_LOG = 6;

/** Writes pairs of logs (nginx in the rich format, Synapse) into `folder`; returns a list of paths for each report. */
export function write(folder) {
  const reports = [];
  for (let first = 0; first < PAYLOADS.length; first += PAYLOADS_PER_LOG) {
    const payloads = PAYLOADS.slice(first, first + PAYLOADS_PER_LOG);
    // An attacker may also choose the file's name, for example in an attachment of a ticket.
    const name = fileName(payloads[0]);
    const nginx = join(folder, `${reports.length}-nginx${name}.log`);
    const synapse = join(folder, `${reports.length}-synapse${name}.log`);
    writeFileSync(nginx, lines(payloads, nginxLine));
    writeFileSync(synapse, lines(payloads, synapseLine));
    reports.push([nginx, synapse]);
  }
  return reports;
}

/** Each payload twenty times as a server writes it (escaped), and once raw, as from a server that does not escape. */
function lines(payloads, line) {
  const all = [];
  for (let round = 0; round < 20; round += 1) {
    for (const [index, payload] of payloads.entries()) {
      const second = round * payloads.length + index;
      all.push(line(payload, second, true));
      if (round === 0) all.push(line(payload, second, false));
    }
  }
  const broken = Buffer.from([0x1b, 0x5b, 0x32, 0x4a, 0xff, 0xfe, 0x3c, 0x62, 0x3e, 0x0a]);
  return Buffer.concat([Buffer.from(all.join('\n') + '\n'), broken, Buffer.from(payloads.join('\n') + '\n')]);
}

/** nginx's default escaping: quotes, backslashes, control characters and everything beyond ASCII as `\xHH`. */
function nginxEscaped(text) {
  return [...Buffer.from(text)]
    .map((byte) => (byte < 0x20 || byte > 0x7e || byte === 0x22 || byte === 0x5c ? `\\x${hex(byte).toUpperCase()}` : String.fromCharCode(byte)))
    .join('');
}

function nginxLine(payload, second, escaped) {
  const time = new Date(Date.UTC(2026, 10, 20, 17, 0, second)).toISOString().slice(0, 19);
  const word = escaped ? nginxEscaped(payload) : payload;
  const bare = word.replaceAll(' ', '\\x20');
  const path = escaped ? encodeURIComponent(payload) : bare;
  return (
    `127.0.0.${1 + (second % 200)} - ${bare} [${time}+00:00] "GET /_matrix/client/v3/rooms/!${path}/messages?from=${path} HTTP/1.1" 200 3942 ` +
    `"https://pwned.invalid/${word}" "${word}" rt=0.110 uct=0.000 uht=0.110 urt=0.110 ua=127.0.0.1:8081 us=200 user=${bare} ` +
    `grp=${bare} rl=267 conn=${1 + second}/1 tls=- rid=${hex(second).padStart(32, '0')}`
  );
}

function synapseLine(payload, second, escaped) {
  const time = new Date(Date.UTC(2026, 10, 20, 18, 0, second)).toISOString().replace('T', ' ').slice(0, 19);
  // Synapse writes the text that the client sent, but a request line cannot contain raw line breaks.
  const word = escaped ? payload.replace(/[\n\r\0]/g, '?') : payload;
  const path = escaped ? encodeURIComponent(payload) : word;
  return (
    `${time},317 - synapse.access.http.8008 - 643 - INFO - GET-${second} - 127.0.0.1 - 8008 - {@${word}:pwned.invalid} Processed request: ` +
    `0.030sec/0.001sec ru=(0.020sec, 0.004sec) db=(0.001sec/0.003sec/2) 140B 200 ` +
    `"GET /_matrix/client/v3/rooms/!${path}:pwned.invalid/members HTTP/1.1" "${word}" [0 dbevts]`
  );
}

function fileName(payload) {
  return ` ${payload}`.replaceAll('/', '∕').replaceAll('\0', '').slice(0, 60);
}

function hex(byte) {
  return byte.toString(16).padStart(2, '0');
}
