"""Files that are copied and moved by a prefix of their keys, beside a dictionary."""

from tests.support.comparison import Comparison, entries, following, shown


class FolderComparison(Comparison):
    """A `Comparison` that knows folders, too."""

    def copy_prefix(self, letter: str, prefix: str, to_letter: str, to: str, overwrite: bool) -> None:
        self.prefix_taken_to("copy", (letter, prefix), (to_letter, to), overwrite=overwrite)

    def move_prefix(self, letter: str, prefix: str, to_letter: str, to: str, overwrite: bool) -> None:
        self.prefix_taken_to("move", (letter, prefix), (to_letter, to), overwrite=overwrite)

    def prefix_taken_to(self, route: str, source: tuple[str, str], target: tuple[str, str], *, overwrite: bool) -> None:
        """Copy or move each file by itself, in the order of the keys."""
        (letter, prefix), (to_letter, to) = source, target
        places = {
            "source": {"bucket_id": self.name(letter), "prefix": prefix},
            "destination": {"bucket_id": self.name(to_letter), "prefix": to},
        }
        response = self.http.post(f"/files/{route}", json=places | {"overwrite": overwrite})
        if letter == to_letter and to.startswith(prefix):
            assert response.status_code == 422
            return
        assert response.status_code == (200 if {letter, to_letter} <= self.model.keys() else 404)
        if response.is_success:
            keys = entries(self.model[letter], prefix, folders=False)
            codes = {key: self.one_taken_to(route, source, key, target, overwrite=overwrite) for key in keys}
            failed = [{"file_id": key, "code": code} for key, code in codes.items() if code is not None]
            done = len(codes) - len(failed)
            counted = {"copy": "copied", "move": "moved"}[route]
            assert response.json() == {counted: done, "failed": failed, "complete": True}
            self.done[f"{route} many"] += done

    def one_taken_to(
        self, route: str, source: tuple[str, str], key: str, target: tuple[str, str], *, overwrite: bool
    ) -> str | None:
        """Do in the model what happened to one of the files, and return the code of its refusal."""
        (letter, prefix), (to_letter, to) = source, target
        new, is_within = to + key.removeprefix(prefix), letter == to_letter
        held, there = self.model[letter][key], self.held(to_letter, new)
        told = {name: held.record[name] for name in ("content_type", "metadata", "cache_control")}
        told |= {"filename": following(held.record["filename"], key, new)}
        is_copied = there is not None and there.content == held.content and there.record.items() >= told.items()
        if is_within and new.startswith(prefix):
            return "conflict"
        if not all(new.split("/")):
            return "invalid_name"
        if route == "copy" and is_copied:
            return None
        if there is not None and not overwrite:
            return "file_exists"
        since = held.record["created_at"] if route == "move" and is_within else None
        record = shown(self.http.get(self.path("files/info", to_letter, new)).raise_for_status())
        self.recorded(record, to_letter, new, held.content, told, since=since)
        if route == "move":
            del self.model[letter][key]
        return None
