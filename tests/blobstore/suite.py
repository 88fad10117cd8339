"""What every store must do, told through the port alone. A subclass says which store, and what it has left over."""

from storage_app.blobstore import Inventory
from tests.blobstore.suite_buckets import OfBuckets
from tests.blobstore.suite_bytes import OfBytes
from tests.blobstore.suite_records import OfRecords
from tests.blobstore.suite_staging import OfStaging
from tests.blobstore.suite_threads import OfThreads
from tests.support.stores import BUCKET, put


class BlobStoreSuite(OfRecords, OfBytes, OfStaging, OfBuckets, OfThreads):
    """Subclass it with a `store` that is empty, and say what lies in it unexplained."""

    def test_probe_leaves_nothing(self, store: Inventory) -> None:
        store.probe()
        self.assert_holds(store)

    def test_room_that_is_left_is_a_number_of_bytes_or_has_no_end(self, store: Inventory) -> None:
        free = store.free_bytes()
        assert free is None or free > 0

    def test_place_of_bytes_is_below_the_store_or_nowhere(self, store: Inventory) -> None:
        place = store.locate(BUCKET, put(store, "..a/it's 50%").blob)
        assert place is None or (place.path[0] != "/" and ".." not in place.path)
