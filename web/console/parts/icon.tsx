/** Drawn on a grid of 20 by 20, in lines of the text's colour. */
const PATHS = {
  machines: "M3 4h14v8H3zM7 16h6M10 12v4",
  pools: "M10 3a7 7 0 1 0 7 7h-7zM12.500 2.800A7 7 0 0 1 17.200 7.500h-4.700z",
  images: "M10 3l7 3.500-7 3.500-7-3.500zM3 10l7 3.500 7-3.500M3 13.500l7 3.500 7-3.500",
  events: "M4 5h12M4 10h12M4 15h8",
  access: "M7.500 11.500a3.800 3.800 0 1 1 3-1.500L17 16.500M14.500 14l-1.500 1.500",
  play: "M6 3.800v12.400L16.200 10z",
  pause: "M6 4v12M14 4v12",
  power: "M10 3v6M6 5.500a6 6 0 1 0 8 0",
  stop: "M5 5h10v10H5z",
  reset: "M16 10a6 6 0 1 1-2-4.500L16.500 8M16.500 4v4h-4",
  moon: "M16 12.500A7 7 0 0 1 7.500 4a7 7 0 1 0 8.500 8.500z",
  camera: "M7.200 4.500h5.600l1.200 2h3v9.500H3V6.500h3zM10 8.200a2.800 2.800 0 1 0 .01 0z",
  fork: "M6 6v8M6 6a2 2 0 1 0-.01 0zM6 18a2 2 0 1 0-.01 0zM14 6a2 2 0 1 0-.01 0zM14 6c0 4-8 3-8 8",
  restore: "M3.600 10a6.400 6.400 0 1 0 2-4.600L3.500 7.400M3.500 3.500v3.900h3.900M10 6.500V10l2.500 1.500",
  download: "M10 3v9.500M6 8.800l4 4 4-4M3.500 16.500h13",
  upload: "M10 13V3.500M6 7.200l4-4 4 4M3.500 16.500h13",
  trash: "M4 5.500h12M8 5.500v-2h4v2M5.500 5.500l.8 11h7.400l.8-11",
  plus: "M10 4v12M4 10h12",
  close: "M5 5l10 10M15 5L5 15",
  more: "M4.500 10h.01M10 10h.01M15.500 10h.01",
  terminal: "M4 6l4 4-4 4M10 15h6",
  back: "M12 4l-6 6 6 6",
  leave: "M8 4H4v12h4M8 10h9M13.500 6.500L17 10l-3.500 3.500",
  keyboard: "M2.500 5.500h15v9h-15zM5.500 8.500h.01M8.500 8.500h.01M11.500 8.500h.01M14.500 8.500h.01M6.500 11.800h7",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg viewBox="0 0 20 20" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
