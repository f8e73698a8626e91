/** Overwrites every row of a database in a transaction too large for memory, and is killed before it commits. */
import { openDatabase } from "../../host/platform/node/machine-file/sqlite.js";

const database = await openDatabase(process.argv[2]!, { readOnly: false });
database.exec("BEGIN");
const update = database.prepare("UPDATE row SET contents = ? WHERE id = ?");
for (let id = 1; id <= 400; id++) update.run(new Uint8Array(20_000).fill(2), id);
process.kill(process.pid, "SIGKILL");
