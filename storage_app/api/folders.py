"""The routes that work on many files at once."""

from typing import Any

from flask.views import MethodView

from ..errors import BucketNotFound, Forbidden, InsufficientStorage, InvalidName
from .blueprint import JSON_REFUSALS, Access, Blueprint
from .context import g
from .schemas.bulk import DeletedSchema, DeletionSchema, bulk_json

blueprint = Blueprint(
    "Folders", __name__, url_prefix="/files", description="Many files at once, by their keys or by a prefix of them."
)


@blueprint.route("/delete/<bucket_id>")
class FilesDeletion(MethodView):
    @blueprint.access(
        Access.CREDENTIAL,
        InvalidName,
        Forbidden,
        BucketNotFound,
        InsufficientStorage,
        *JSON_REFUSALS,
        right=lambda bucket_id: g.services.deletions.authorize(g.principal, bucket_id),
    )
    @blueprint.doc(operationId="deleteFiles")
    @blueprint.arguments(DeletionSchema, example={"prefix": "2026/"})
    @blueprint.response(200, DeletedSchema)
    def post(self, body: dict[str, Any], bucket_id: str) -> Any:
        """Delete up to 1,000 files by their keys, or any number of files by a prefix.

        Files that you may not delete are among the failed. If the answer is not complete, send the request again.
        """
        deletions = g.services.deletions
        if "prefix" in body:
            return bulk_json(deletions.by_prefix(g.principal, bucket_id, body["prefix"]), "deleted")
        return bulk_json(deletions.by_keys(g.principal, bucket_id, body["file_ids"]), "deleted")
