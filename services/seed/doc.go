// Package seed reads a directory of CSV files about rare-disease labels and
// records what they say through the public RPCs. The register's own seeds are in
// the folder seeds; any directory in their layout can be loaded, also with only
// some of the files.
//
// Reading comes first and whole: every file is parsed and checked, every request
// is derived and held against the schema, and nothing is written while any of
// them is at fault. Deriving is pure (plan): the same files give the same
// requests in the same order, which name what earlier ones register by natural
// key.
//
// What becomes of a row:
//
//   - establishments.csv: RegisterEstablishment. A hospital that only centres.csv,
//     fsmr.csv or platforms.csv names is registered with the name and town of that
//     row. A hospital is known by name and town. The column valid_from, which the file may
//     leave out, says since when it is there.
//   - fsmr.csv: RegisterFiliere, and DeclareLink to the European reference network of the
//     row, since a day unknown. A filière that only centres.csv names is registered
//     with its acronym alone. Its labels are rows of changes.csv.
//   - cycles.csv: RegisterCycle for each cycle, RecordAct for each row with a legal
//     title, without lines. The period of a cycle is what its rows state, to the
//     year: from the rows that give an end where there are any. Other names of a
//     cycle are those its notes say sources write ("... write the period ..."). An
//     arrêté that carries a list of centres (any but those "portant création") has
//     one cell of scope, partial, over all filières and roles: absence from what
//     is held of it means nothing. The columns authority and evidence, which the file
//     may leave out, say who decided and whether the act is only inferred.
//   - centres.csv: RegisterNetwork for each title and acronym. A title without
//     acronym is presumed the network of that title with an acronym where exactly one
//     acronym goes with it in the directory; where several do, it is a network apart.
//     The basis keeps what is printed. The filière is registered with the network
//     where a row's source names it, by AttachNetwork as proposed where the
//     compiler assigned it; another filière in another row is an assertion. Then
//     RegisterCentre for each centre and its labels, as below.
//   - platforms.csv: RegisterPlatform and GrantLabel as PEMR or PCOM from the year
//     of the wave, end unknown, inferred where the note says deduced.
//   - changes.csv: one dated change a row, as below.
//   - figures.csv: RecordAssertion of the field "count: <kind>" about what its scope
//     names: a filière or platform, the only network of an acronym ("Filière / ACRONYM"), a hospital
//     by its name, or for France the only cycle within whose years the figure stands (of
//     filières for FSMR, of platforms for PEMR and PCOM, of centres for all else). A
//     figure of another scope, year or none is left out; two that contradict each other
//     stand side by side.
//   - plans.csv: RegisterPlan, of whole years: its end is 1 January after end_year.
//     What prolonged it is a row of changes.csv.
//   - plan_axes.csv: StatePlanAxes of a plan, on the sources of all its rows.
//   - missions.csv: StateMissions of each audience from each first day on, on the sources
//     of all its rows. Where missions are stated from that day on already, whatever they
//     are, they are left as they are.
//   - regions.csv, departments.csv, indicators.csv: read for their shape, not recorded. A
//     reporting period that asks for indicators is an officer's to open.
//
// A centre in a network is presumed the same (one site) in two rows of centres.csv
// of the same network and hospital, or without a hospital of the same town and
// department, that stand in different sources or cycles. Two rows of one source
// in one cycle are never one centre; where a place has several, a row goes to the
// one that had its role before, else to the first free one. A row without any
// place is a centre of its own. Of a site:
//
//   - Its first cycle is a GrantLabel. A later one is a RenewLabel, inferred, where its
//     role is stated and of the family of the one before (coordinator, constitutive and
//     reference are one family): only then is the continuity presumed. Else it is a
//     GrantLabel too. Of several rows in one cycle the one with a stated role and a
//     stated cycle is granted.
//   - Another row of the cycle with the same role, or none, is a ConfirmLabel;
//     with another role, an assertion about the field role.
//   - A row without cycle, beside rows with one, speaks of the latest label of its
//     role: an inferred ConfirmLabel, or an assertion where none has its role. Where
//     no row has a cycle, they are one label with unknown dates.
//   - A COLLABORATOR row carries no label: the centre is registered with an
//     assertion about the field collaborates_with.
//
// A label's period is its cycle's where that has both ends, otherwise unknown: a
// row of 2004-2007 says when the label began, not when it ended. The columns start and
// end, which centres.csv may leave out, override either date for their row; a year of
// the cycle that they contradict is left out.
//
// The column act, which centres.csv may leave out, names an act of cycles.csv by its
// title or a beginning that only one title has. The label, and what else the row says of
// it, then rests on that act: cited or, where act_evidence says so, inferred from the
// date that the row gives the label.
//
// The column change of changes.csv says what a row is; a name or place in it that
// nothing in the files bears is a problem of that column, or one that several do.
//
//   - network_renamed: RenameNetwork. The network is one under all its names; it is
//     registered under the first, and rows under any of them are about it. other is
//     its new title|acronym.
//   - network_succeeded: SucceedNetworks, other being the title|acronym that follows.
//   - centre_moved: MoveCentre. Rows at the hospital it left and at the one it moved to,
//     other being its name|town, are about one site, whose labels go on.
//   - label_granted: GrantLabel as FSMR to a filière, from date to the end of its cycle.
//   - label_opened: OpenLabel of a platform.
//   - head_taken: TakeOffice, of the coordinator of a network, filière or platform, or
//     of the head of the site where a place or role is given. It follows the office of
//     the row before it about the same holder, unless head_left ended that one. person
//     may be empty: somebody is known to have held it, not who.
//   - head_left, head_approved: LeaveOffice and ApproveOffice of that person's office.
//   - campaign_opened: OpenCampaign of a cycle, other being its name, with the circulaires,
//     instructions, notes and calls for projects of the cycle in cycles.csv as its calls.
//   - outcome_recorded: RecordOutcome of a candidate, in the column network, that need not
//     be a network of the files; other is FAVOURABLE, ADJUSTED, DEFERRED, REFUSED or
//     SET_ASIDE.
//   - host_added: AttachPlatform, of the platform and the hospital that the row names.
//   - territory_stated: StateTerritory of a platform, other being codes of regions|codes of
//     departments, each separated by spaces; either may be empty.
//   - website_stated: StateContact of a platform, other being its site without scheme.
//   - establishment_renamed: RenameEstablishment to other. The hospital is one under all its
//     names; it is registered under the first, by which rows name it.
//   - legal_entity_changed: ChangeLegalEntity of a hospital, other being the name|town of
//     the one legal entity it belongs to from then on.
//   - filiere_served: DeclareLink of the centre of the site that the row names, which serves
//     filiere besides its networks' own.
//   - plan_extended: ExtendPlan, other being the plan's code|the first day after it.
//   - assertion: RecordAssertion, other being field|value, about the site, network,
//     filière, platform, hospital or cycle that the row names.
//
// The columns responsible and person become the names of heads, which servers keep in
// the vault, and nothing else. Notes and sources are recorded with names of persons
// taken out.
//
// Loading twice adds nothing, also under another account. Establishments, filières,
// cycles, networks, platforms, plans and campaigns that are registered under their natural key
// are used as they stand. Every request_id is a digest of the request, and what has no
// natural key (centres, labels, offices, acts, links, assertions) is known again by it, and a
// load that broke off goes on where it was. Rows of two
// directories about one network share the network but not its centres: they are
// not matched with centres that other directories gave.
package seed
