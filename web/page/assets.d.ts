/** Files that the bundler puts beside the page: their addresses. */
declare module "*.wasm?url" {
  const url: string;
  export default url;
}

/** Styles that the bundler puts beside the page. */
declare module "*.css";
