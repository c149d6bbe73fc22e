"""How a dataset gets onto a shelf: intent, objects, manifest.

The manifest is put last, so a dataset is whole or not there. Before the first object an
intent is put, which is the manifest under another name: whoever sweeps spares what it
names, and a killed attempt is found to be one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dmod.errors import StoreError
from dmod.store.each import each
from dmod.store.manifest import Entry, Manifest, manifest_key, object_key, read_manifest, write_manifest
from dmod.store.pack import groups, write_pack
from dmod.store.reporting import Progress, Report
from dmod.store.shelf import Shelf
from dmod.store.sources import Content, Source, content_of
from dmod.store.trouble import Vanished, in_words

__all__ = ["Plan", "planned", "publish"]

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """A dataset that is to be put."""

    #: What will be there.
    manifest: Manifest
    #: Digest of an object -> where its bytes are now, and what they add up to.
    origins: Mapping[str, tuple[Source, Content]] = field(default_factory=dict)


def planned(
    shelf: Shelf, sources: Sequence[Source], contents: Sequence[Content], scratch: Path, *, threads: int
) -> Plan:
    """Decide what goes into packs, and make them.

    Parameters
    ----------
    shelf : Shelf
        Where it will be put; what it has of the same files already is taken as it is.
    sources : sequence of Source
        The files.
    contents : sequence of Content, one for each source
        What they add up to.
    scratch : Path
        Directory for the packs.
    threads : int
        How many questions the shelf is asked at a time.

    Returns
    -------
    Plan
        With no origins if everything is there.

    Raises
    ------
    DatasetError
        If two files have one path, or one changed.
    StoreError
        If there is no room for the packs, or the shelf does not answer.
    """
    digests = {one.path: content.digest for one, content in zip(sources, contents, strict=True)}
    plain = Manifest(tuple(Entry(one.path, one.size, digests[one.path]) for one in sources))
    known = _known(shelf, plain.digest)
    if known is not None and not _absent(shelf, known.objects, threads=threads):
        return Plan(known)
    alone = {one.path: (one, content) for one, content in zip(sources, contents, strict=True)}
    origins: dict[str, tuple[Source, Content]] = {}
    entries: list[Entry] = []
    for number, group in enumerate(groups(sources)):
        path = scratch / f"{number}.zip"
        with in_words(str(scratch)):
            packed = list(write_pack(path, group, digests))
            source = Source(path.name, path, path.stat().st_size)
        content = content_of(source, shelf.part_bytes(source.size), lambda _: None)
        origins[content.digest] = (source, content)
        entries += packed
        for one in group:
            del alone[one.path]
    for source, content in alone.values():
        origins[content.digest] = (source, content)
        entries.append(Entry(source.path, content.size, content.digest))
    return Plan(Manifest(tuple(entries)), origins)


def publish(shelf: Shelf, plan: Plan, *, threads: int, progress: Progress | None) -> None:
    """Put a dataset.

    Parameters
    ----------
    shelf : Shelf
        Where.
    plan : Plan
        What.
    threads : int
        How many objects are put at a time, from 1.
    progress : Progress or None
        Is told how far it is; the step is ``store``.

    Raises
    ------
    DatasetError
        If a file changed meanwhile.
    StoreError
        If the shelf cannot keep it.
    """
    manifest, written = plan.manifest, write_manifest(plan.manifest)
    final, intent = manifest_key(manifest.digest), manifest_key(manifest.digest, "pending")
    objects = manifest.objects
    report = Report(progress, "store", sum(objects.values()))
    for _ in range(_ATTEMPTS):
        shelf.put(intent, written)
        absent = _absent(shelf, objects, threads=threads)
        if not plan.origins and absent:
            break
        report(sum(objects.values()) - sum(objects[one] for one in absent))
        each(_putting(shelf, plan, report), absent, threads)
        shelf.put(final, written)
        shelf.remove(intent)
        # What was there already may have been swept before the sweeper could see the intent.
        if not _absent(shelf, {one: objects[one] for one in objects.keys() - set(absent)}, threads=threads):
            return
    raise StoreError("somebody removes objects of the store meanwhile", store=shelf.where, hint="put it again")


def _putting(shelf: Shelf, plan: Plan, told: Callable[[int], None]) -> Callable[[str], None]:
    """What puts one object."""

    def put(digest: str) -> None:
        source, content = plan.origins[digest]
        if isinstance(source.origin, bytes):
            shelf.put(object_key(digest), source.origin)
            told(content.size)
        else:
            shelf.put_file(object_key(digest), source.origin, content, told)

    return put


def _absent(shelf: Shelf, objects: Mapping[str, int], *, threads: int) -> list[str]:
    """Those of some objects that the shelf lacks, or has of another size."""
    sizes: Iterable[int | None] = each(lambda one: shelf.size(object_key(one)), objects, threads)
    return [one for one, size in zip(objects, sizes, strict=True) if size != objects[one]]


def _known(shelf: Shelf, digest: str) -> Manifest | None:
    """What the shelf has of the same files, unless it is damaged."""
    try:
        return read_manifest(shelf.read(manifest_key(digest)), digest)
    except Vanished:
        return None
    except StoreError:
        # A damaged manifest is put again; a shelf that does not answer says so once more.
        shelf.check()
        return None
