// Hocuspocus with its database extension over Node's own SQLite: the statements are those of its SQLite extension,
// whose native module does not survive a garbage collection in this Node. usage: hocuspocus.mjs PORT FILE
import { DatabaseSync } from "node:sqlite"
import { Database } from "@hocuspocus/extension-database"
import { Server } from "@hocuspocus/server"

const [port, file] = process.argv.slice(2)
const database = new DatabaseSync(file)
database.exec("CREATE TABLE IF NOT EXISTS documents (name TEXT NOT NULL UNIQUE, data BLOB NOT NULL)")
const select = database.prepare("SELECT data FROM documents WHERE name = ?")
const upsert = database.prepare(
  "INSERT INTO documents (name, data) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET data = excluded.data",
)
const stored = new Database({
  fetch: async ({ documentName }) => select.get(documentName)?.data ?? null,
  store: async ({ documentName, state }) => void upsert.run(documentName, state),
})
await new Server({ port: Number(port), address: "127.0.0.1", quiet: true, extensions: [stored] }).listen()
