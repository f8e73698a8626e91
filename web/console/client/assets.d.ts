/** Styles that the bundler puts beside the page. */
declare module "*.css";

/** Pictures that the bundler puts beside the page: their addresses. */
declare module "*.svg" {
  const url: string;
  export default url;
}
