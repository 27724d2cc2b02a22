/** Requests that are none, and what they are answered. */
export const MALFORMED: Readonly<Record<string, readonly [bytes: string, status: number]>> = {
  'no request at all': ['hello\r\n\r\n', 400],
  'a binary': ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  'no Host': ['GET /tasks HTTP/1.1\r\n\r\n', 400],
  'an unknown method': ['BREW /tasks HTTP/1.1\r\nhost: localhost\r\n\r\n', 400],
  'an unknown version': ['GET /tasks HTTP/9.9\r\nhost: localhost\r\n\r\n', 400],
  'a header without a colon': ['GET /tasks HTTP/1.1\r\nhost localhost\r\n\r\n', 400],
  'a NUL in a header': ['GET /tasks HTTP/1.1\r\nhost: local\0host\r\n\r\n', 400],
  'two lengths': [
    'POST /tasks HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}',
    400,
  ],
  'a length and chunks (smuggling)': [
    'POST /tasks HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  'a negative length': ['POST /tasks HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n', 400],
  'a broken chunk': [
    'POST /tasks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    400,
  ],
  'headers of 32 KiB': [`GET /tasks HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(32_768)}\r\n\r\n`, 431],
}
