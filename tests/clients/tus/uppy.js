// For a page that is bundled: uploads `size` bytes with Uppy, and says how that ended.
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";

window.uploaded = async (endpoint, headers, size) => {
  const data = new Uint8Array(size).map((_, place) => place % 251);
  const uppy = new Uppy().use(Tus, {
    endpoint,
    headers,
    chunkSize: 1024 * 1024,
    retryDelays: Array(60).fill(250),
  });
  uppy.addFile({
    name: "film.bin",
    type: "application/octet-stream",
    data: new Blob([data]),
    meta: { bucket_id: "photos", file_id: "of-uppy.bin" },
  });
  const result = await uppy.upload();
  return result.failed.map((file) => String(file.error));
};
