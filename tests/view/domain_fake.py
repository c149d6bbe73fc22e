"""A domain made of three tables, as much of one as maps ask for."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio

from dmod.view.domain_flow import downstream


class FakeDomain:
    """Tables of a GeoPackage of version 2.2, and how often geometry was read."""

    version = "v2.2"

    def __init__(self, divides, flowpaths, nexus, gages=None, name="fake"):
        self.tables = {"divides": divides, "flowpaths": flowpaths, "nexus": nexus}
        self.gages, self.name, self.read = dict(gages or {}), name, []

    @classmethod
    def open(cls, path, gages=None):
        layers = [pyogrio.read_dataframe(path, layer=layer) for layer in ("divides", "flowpaths", "nexus")]
        keys = ("divide_id", "id", "id")
        tables = [layer.set_index(key).rename_axis("id") for layer, key in zip(layers, keys, strict=True)]
        return cls(*tables, gages=gages, name=path.stem)

    def __len__(self):
        return len(self.tables["divides"])

    def layers(self):
        return {name: tuple(table.columns.drop(table.geometry.name)) for name, table in self.tables.items()}

    def _table(self, layer, columns, geometry):
        table = self.tables[layer]
        if columns is not None:
            table = table[[*columns, table.geometry.name]]
        self.read.append((layer, geometry))
        return table if geometry else table.drop(columns=table.geometry.name)

    def divides(self, columns=None, geometry=True, crs=None):
        return self._table("divides", columns, geometry)

    def flowpaths(self, columns=None, geometry=True, crs=None):
        return self._table("flowpaths", columns, geometry)

    def nexus(self, columns=None, geometry=True, crs=None):
        return self._table("nexus", columns, geometry)

    @property
    def crs(self):
        return str(self.tables["divides"].crs)

    @property
    def bounds(self):
        return tuple(float(edge) for edge in self.tables["divides"].total_bounds)

    def facts(self):
        return {"catchments": f"{len(self):,}", "hydrofabric": self.version}

    def drainage_area(self):
        """Every catchment counts 1."""
        ids, down = downstream(self)
        passed, at = np.ones(len(ids)), down
        while (at >= 0).any():
            np.add.at(passed, at[at >= 0], 1.0)
            at = np.where(at >= 0, down[at], -1)
        return pd.Series(passed, index=ids)

    def sample(self, count):
        kept = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(int))
        return self.select(self.tables["divides"].index[kept])

    def select(self, catchments):
        divides = self.tables["divides"].loc[list(catchments)]
        flowpaths = self.tables["flowpaths"]
        flowpaths = flowpaths[flowpaths["divide_id"].isin(divides.index)]
        nexus = self.tables["nexus"]
        gages = {gage: at for gage, at in self.gages.items() if at[0] in divides.index}
        return FakeDomain(divides, flowpaths, nexus[nexus.index.isin(divides["toid"])], gages, self.name)


def chessboard(side, *, size=1_000.0, crs="EPSG:5070", name="chessboard"):
    """Square catchments in rows; each drains to the west, and the westmost one to the south."""
    import shapely

    place = np.arange(side * side)
    row, col = place // side, place % side
    x, y = col * size, row * size
    cat = np.array([f"cat-{n + 1}" for n in place])
    down = np.where(col > 0, place - 1, np.where(row > 0, place - side, -1))
    nex = np.array([f"nex-{n + 1}" if n >= 0 else "tnx-1" for n in down])
    target = np.array([f"wb-{n + 1}" if n >= 0 else "wb-0" for n in down])
    divides = gpd.GeoDataFrame(
        {"toid": nex, "areasqkm": (size / 1e3) ** 2 * np.ones(len(place)), "type": "network"},
        geometry=shapely.box(x, y, x + size, y + size),
        index=cat,
        crs=crs,
    )
    middle = np.stack([x + size / 2, y + size / 2], axis=1)
    end = np.where(down[:, None] >= 0, middle[down], middle - (0, size / 2))
    flowpaths = gpd.GeoDataFrame(
        {"toid": nex, "divide_id": cat, "order": np.where(col == 0, 3.0, np.where(col < side // 2, 2.0, 1.0))},
        geometry=shapely.linestrings(np.stack([middle, end], axis=1)),
        index=[f"wb-{n + 1}" for n in place],
        crs=crs,
    )
    first = np.unique(nex, return_index=True)[1]
    nexus = gpd.GeoDataFrame({"toid": target[first]}, geometry=shapely.points(end[first]), index=nex[first], crs=crs)
    return FakeDomain(divides, flowpaths, nexus, {"01": ("cat-1", "tnx-1")}, name)
