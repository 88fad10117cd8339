// Uploads a file with tus-js-client: node upload.mjs ENDPOINT FILE OPTIONS, of which the last are JSON.
import fs from "node:fs";
import { Upload } from "tus-js-client";

const [endpoint, path, options] = process.argv.slice(2);

new Upload(fs.createReadStream(path), {
  endpoint,
  retryDelays: Array(60).fill(250),
  ...JSON.parse(options),
  onError: (error) => {
    console.error(error);
    process.exit(1);
  },
  onSuccess: () => process.exit(0),
}).start();
