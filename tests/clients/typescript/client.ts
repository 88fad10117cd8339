// What a page or a backend does with the client that openapi-typescript and openapi-fetch generate.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const [baseUrl, token, bucket] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

type Entry = components["schemas"]["FileRecord"] | components["schemas"]["Folder"];

/** Return what a call answered. Throws the problem that it answered instead. */
function ok<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.error !== undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data as T;
}

function cursorOfNextPage(response: Response): string | undefined {
  const target = response.headers.get("Link")?.match(/<([^>]*)>; rel="next"/)?.[1];
  return target === undefined ? undefined : (new URL(target, response.url).searchParams.get("cursor") ?? undefined);
}

async function listAll(delimiter?: "/"): Promise<Entry[]> {
  const listed: Entry[] = [];
  let cursor: string | undefined;
  do {
    const query = { limit: 1, ...(delimiter && { delimiter }), ...(cursor && { cursor }) };
    const page = await client.GET("/files/list/{bucket_id}", { params: { path: { bucket_id: bucket }, query } });
    listed.push(...ok(page));
    cursor = cursorOfNextPage(page.response);
  } while (cursor !== undefined);
  return listed;
}

ok(await client.POST("/buckets", { body: { name: bucket } }));

const byForm = ok(
  await client.POST("/files/upload/{bucket_id}", {
    params: { path: { bucket_id: bucket } },
    body: { file: "by form", file_id: "2026/form.txt", metadata: { album: "cats" } },
    bodySerializer: (body) => {
      const form = new FormData();
      form.append("file_id", body.file_id ?? "");
      form.append("metadata", JSON.stringify(body.metadata));
      form.append("file", new Blob([body.file]), "form.txt");
      return form;
    },
  }),
);
assert.deepEqual(byForm.metadata, { album: "cats" });

const raw = { path: { bucket_id: bucket, file_id: "raw.bin" } };
const byBody = ok(
  await client.PUT("/files/upload-direct/{bucket_id}/{file_id}", {
    params: raw,
    body: "raw bytes",
    bodySerializer: (body) => body,
    headers: { "Content-Type": "application/octet-stream" },
  }),
);
assert.equal(byBody.size, 9);

assert.deepEqual((await listAll()).map((entry) => entry.id), ["2026/form.txt", "raw.bin"]);
assert.deepEqual((await listAll("/")).map((entry) => (entry.kind === "file" ? entry.size : entry.id)), ["2026/", 9]);

const bytes = ok(await client.GET("/files/download/{bucket_id}/{file_id}", { params: raw, parseAs: "text" }));
assert.equal(bytes, "raw bytes");

const link = ok(await client.POST("/files/initiate-download", { body: { bucket_id: bucket, file_id: "raw.bin" } }));
assert.equal(await (await fetch(link.download_url)).text(), "raw bytes");

ok(await client.DELETE("/files/{bucket_id}/{file_id}", { params: raw }));
assert.deepEqual((await listAll()).map((entry) => entry.id), ["2026/form.txt"]);
const gone = await client.GET("/files/info/{bucket_id}/{file_id}", { params: raw });
assert.equal(gone.error?.code, "file_not_found");
ok(await client.DELETE("/buckets/{bucket_id}", { params: { path: { bucket_id: bucket }, query: { force: "true" } } }));
