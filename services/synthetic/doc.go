// Package synthetic makes up a national register and records it through the public
// RPCs: for trials, demonstrations and measurements, never beside real facts.
//
// Everything says what it is. Every name begins with SYNTH, every basis names the
// generator and its seed, FINESS numbers bear a valid check digit in a series of
// their own (99 after the department), heads of site are invented and go to the vault
// like real ones, and no act has a NOR number.
//
// The generation is pure: seed and size give a plan, and a plan gives the same
// requests byte for byte, but for the ids that the server mints and that later
// requests name. At its own size the plan follows the figures that are known of the
// real register: 67 reference centres in 2005 and 131 in 2007; 98, 104 and 109 networks
// after the three acts of 2017, with 387 reference sites, 1,757 competence centres and
// 83 CRC; 23 filières in 2019; 19 PEMR and 4 PCOM in 2020 and 2021; 122 networks,
// 603 reference sites, 1,708 competence centres and 83 CRC from 2024. A larger plan
// has more of everything but cycles and platforms; it has more filières too, as the
// lines of one filière stand in one act, which holds 10,000.
//
// Between acts, sites are granted, renewed, confirmed, promoted from competence to
// constitutive, stripped of the reference role, left out of a complete list, repealed;
// coordinations move, networks are deferred, renamed, merged, heads replaced. How many
// is in the table of campaigns (waves.go).
package synthetic
