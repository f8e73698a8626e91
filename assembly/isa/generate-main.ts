import { writeGenerated } from "./generate.js";

writeGenerated(new URL("../generated/", import.meta.url));
