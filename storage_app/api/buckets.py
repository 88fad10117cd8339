"""The routes of buckets."""

from collections.abc import Callable
from typing import Any

from flask import Response, request
from flask.views import MethodView

from ..domain.buckets import Bucket, Totals
from ..domain.pages import Position
from ..errors import (
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    Forbidden,
    InsufficientStorage,
    InvalidName,
)
from .blueprint import JSON_REFUSALS, Access, Blueprint
from .context import g
from .http import cursors
from .http.responses import json_text, relative
from .lanes import LISTS
from .openapi_parts import link_header
from .schemas.queries import ForceSchema, PageSchema
from .schemas.requests import BucketChangesSchema, NewBucketSchema
from .schemas.responses import BucketSchema, bucket_json

blueprint = Blueprint(
    "Buckets", __name__, url_prefix="/buckets", description="Named containers of files, with their rights and limits."
)

_LOCATION = {"Location": {"description": "The bucket, relative to this URL.", "schema": {"type": "string"}}}


@blueprint.route("")
class BucketCollection(MethodView):
    @blueprint.access(
        Access.CREDENTIAL,
        Forbidden,
        InvalidName,
        BucketExists,
        InsufficientStorage,
        *JSON_REFUSALS,
        right=lambda: g.services.buckets.authorize_create(g.principal),
    )
    @blueprint.doc(operationId="createBucket")
    @blueprint.arguments(NewBucketSchema, example={"name": "photos", "is_public": False})
    @blueprint.response(201, BucketSchema, headers=_LOCATION)
    def post(self, settings: dict[str, Any]) -> Any:
        """Create a bucket, which you then own."""
        name = settings.pop("name")
        bucket, totals = g.services.buckets.create(g.principal, name, settings)
        return shown(bucket, totals), {"Location": relative(request.environ, f"/buckets/{bucket.name}")}

    @blueprint.access(Access.CREDENTIAL, lane=LISTS)
    @blueprint.doc(operationId="listBuckets")
    @blueprint.arguments(PageSchema(), location="query")
    @blueprint.response(200, BucketSchema(many=True), headers=link_header())
    def get(self, page: dict[str, Any]) -> Any:
        """List the buckets that you may see, by name."""
        return list_response(page, shown)


@blueprint.route("/<bucket_id>")
class BucketItem(MethodView):
    @blueprint.access(Access.CREDENTIAL, InvalidName, Forbidden, BucketNotFound)
    @blueprint.doc(operationId="getBucket")
    @blueprint.response(200, BucketSchema)
    def get(self, bucket_id: str) -> Any:
        """Show a bucket with its totals."""
        return shown(*g.services.buckets.get(g.principal, bucket_id))

    @blueprint.access(
        Access.CREDENTIAL,
        InvalidName,
        Forbidden,
        BucketNotFound,
        InsufficientStorage,
        *JSON_REFUSALS,
        right=lambda bucket_id: g.services.buckets.authorize_change(g.principal, bucket_id),
    )
    @blueprint.doc(operationId="updateBucket")
    @blueprint.arguments(BucketChangesSchema, required=False, example={"is_public": True})
    @blueprint.response(200, BucketSchema)
    def put(self, settings: dict[str, Any], bucket_id: str) -> Any:
        """Replace the given settings of a bucket, and keep the others. `PUT` and `PATCH` are the same."""
        return shown(*g.services.buckets.change(g.principal, bucket_id, settings))

    patch = put

    @blueprint.access(Access.CREDENTIAL, InvalidName, Forbidden, BucketNotFound, BucketNotEmpty, InsufficientStorage)
    @blueprint.doc(operationId="deleteBucket")
    @blueprint.arguments(ForceSchema(), location="query")
    @blueprint.response(204)
    def delete(self, query: dict[str, str], bucket_id: str) -> Response:
        """Delete an empty bucket or, with `force=true`, a bucket with its files."""
        g.services.buckets.delete(g.principal, bucket_id, force=query["force"] == "true")
        return Response(status=204)


def list_response(
    page: dict[str, Any], show: Callable[[Bucket, Totals], Any], *, member: str | None = None
) -> Response:
    """Return a page of the buckets that the principal may see, each as `show` describes it."""
    limit, position = page["limit"], cursors.start(page)
    found = g.services.buckets.list_by_name(g.principal, position=position, limit=limit + 1)
    listed = ((json_text(show(bucket, totals)), Position(bucket.name)) for bucket, totals in found)
    return cursors.page_response(listed, limit=limit, member=member)


def shown(bucket: Bucket, totals: Totals) -> dict[str, Any]:
    """Return a bucket as JSON, with what the principal may see of it."""
    return bucket_json(bucket, totals, manages=g.services.buckets.may_change(g.principal, bucket))
