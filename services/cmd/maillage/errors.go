package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"maillage/services/annex"
	"maillage/services/fault"
	"maillage/services/route"
	"maillage/services/seed"
)

// reasons is what an officer is told for each reason of a refusal.
var reasons = map[string]string{ //nolint:gosec // G101 takes PAGE_TOKEN_INVALID for a credential
	"ESTABLISHMENT_UNKNOWN":    "cet établissement n'est pas au registre",
	"CENTRE_UNKNOWN":           "ce centre n'est pas au registre",
	"NETWORK_UNKNOWN":          "ce réseau n'est pas au registre",
	"FILIERE_UNKNOWN":          "cette filière n'est pas au registre",
	"PLATFORM_UNKNOWN":         "cette plateforme n'est pas au registre",
	"CYCLE_UNKNOWN":            "ce cycle n'est pas au registre",
	"LABEL_UNKNOWN":            "ce label n'est pas au registre",
	"SITE_UNKNOWN":             "ce site n'est pas au registre",
	"ACT_UNKNOWN":              "cet acte n'est pas au registre",
	"ENTITY_UNKNOWN":           "rien de tel n'est enregistré sous cet identifiant",
	"BASIS_ACT_UNKNOWN":        "l'acte donné comme fondement n'est pas au registre : enregistrez-le d'abord (« maillage act record »)",
	"FINESS_INVALID":           "ce numéro FINESS est faux (neuf caractères, clé de contrôle) : vérifiez la saisie",
	"FINESS_TAKEN":             "un établissement du registre porte déjà ce numéro FINESS pour la même nature (EJ ou ET) : prenez celui-là, ou vérifiez la saisie",
	"SIRET_INVALID":            "ce numéro SIRET est faux (quatorze chiffres, clé de contrôle) : vérifiez la saisie",
	"NOR_INVALID":              "ce numéro NOR est faux (douze caractères) : vérifiez la saisie",
	"DATE_INVALID":             "cette date n'existe pas : écrivez AAAA-MM-JJ, AAAA-MM ou AAAA",
	"TIME_INVALID":             "cet instant n'est pas lisible",
	"PERIOD_EMPTY":             "la fin n'est pas après le début",
	"CYCLE_CODE_TAKEN":         "un autre cycle porte déjà ce code ou cet alias : retrouvez-le avec « maillage cycle list »",
	"ROLE_HOLDER_MISMATCH":     "ce rôle ne peut pas être tenu par ce titulaire (un site pour les centres, une filière pour FSMR, une plateforme pour PEMR et PCOM)",
	"LABEL_OVERLAPS":           "ce titulaire a déjà un label sur une partie de cette période : renouvelez-le, ou corrigez ses dates",
	"LINES_SAME_SITE":          "deux lignes de l'acte portent sur le même site",
	"LABEL_ENDED":              "ce label a déjà pris fin ou a été renouvelé",
	"REPEAL_OUTSIDE_TERM":      "la date d'abrogation est hors de la période du label",
	"CORRECTS_OTHER":           "la position corrigée n'est pas un fait de ce label : voir « maillage label history »",
	"NOTHING_TO_CORRECT":       "la correction ne change rien",
	"BASIS_MISSING":            "il manque le fondement : indiquez --source, ou --act",
	"LEGAL_ENTITY_SELF":        "un établissement ne peut pas être sa propre entité juridique, même par détour",
	"ALREADY_ATTACHED":         "le rattachement est déjà enregistré",
	"ESTABLISHMENT_CLOSED":     "cet établissement est fermé à cette date : agissez sur son successeur, ou à une date antérieure",
	"FILIERE_CLOSED":           "cette filière est fermée à cette date : agissez sur son successeur, ou à une date antérieure",
	"PLATFORM_CLOSED":          "cette plateforme est fermée à cette date : agissez sur son successeur, ou à une date antérieure",
	"NUMBERS_UNCHANGED":        "ces numéros sont déjà ceux du registre à partir de cette date",
	"CHILD_UNDECIDED":          "dites ce que devient tout ce qui dépend de ce qui ferme (--child ID=va:ID, ID=reste ou ID=ferme)",
	"CHILD_OTHER":              "ce rattaché ne dépend de rien qui ferme : ôtez-le",
	"CHILD_DESTINATION":        "ce rattaché ne peut pas aller là : dites où il va (--child ID=va:ID), chez un seul s'il s'agit d'un réseau ou d'une filière, et chez qui reste ouvert ; un lien va ou ferme",
	"LINK_UNKNOWN":             "ce lien n'est pas au registre",
	"LINK_ENDS":                "un lien de cette nature n'a pas ce bout-là : un centre est collaborateur d'un réseau, dessert une filière, est hébergé par une plateforme ou rattaché à un centre dans un réseau ; un ERN se donne par --code",
	"LINK_SELF":                "un centre n'est pas rattaché à lui-même",
	"LINK_EXISTS":              "ce lien est déjà au registre pour une partie de ces jours",
	"LINK_ENDED":               "ce lien a déjà pris fin",
	"LINK_CONFIRMED":           "ce lien est déjà confirmé",
	"PERSON_UNKNOWN":           "le coffre ne contient rien de cette personne",
	"ACCESS_UNRECORDED":        "cette lecture de données personnelles ne peut pas être notée, elle est donc refusée : prévenez l'exploitant (répertoire access du coffre)",
	"VALUE_UNKNOWN":            "le coffre n'a pas, ou plus, cette valeur, ou aucun événement du paquet n'y est engagé",
	"DRAFT_NAMES_PERSON":       "un acte préparé nomme cette personne et attend son approbation : approuvez-le ou rejetez-le d'abord",
	"NAMED_WITH_OTHERS":        "une valeur contient, avec ce nom, autre chose (un titre, un second responsable) : dites qu'elle est effacée entière (--with-others), ou saisissez-la de nouveau d'abord",
	"ALIAS_UNKNOWN":            "aucune entité n'a ni n'a eu cet identifiant, à ce que l'on sait à cette position ; un identifiant énoncé à tort se retrouve par --known-at, ou par « maillage notice list »",
	"ALIAS_SYSTEM_NEW":         "aucun identifiant n'a encore été énoncé pour ce système : vérifiez la saisie (bamara, orphanet, e-cars), ou dites qu'il est nouveau (--new-system)",
	"ALIAS_SYSTEM_INVALID":     "un système se nomme par un code court : lettres sans accent, chiffres et tirets, vingt au plus",
	"ALIAS_VALUE_INVALID":      "un identifiant est un code : ni espace, ni accent, ni @, car ni nom ni adresse d'une personne n'a sa place ici, où rien ne s'efface",
	"ALIAS_EXISTS":             "cet identifiant est déjà énoncé pour cet objet, pour une partie de ces jours",
	"ALIAS_TAKEN":              "un autre objet de même nature porte cet identifiant à ce moment-là : mettez-y fin d'abord (« maillage alias end »), ou dites qu'ils le partagent (--shared)",
	"ALIAS_ENDED":              "cet identifiant a déjà pris fin",
	"ALIAS_VOIDED":             "cet identifiant a été énoncé à tort : il ne compte plus",
	"CONTINUITY_UNKNOWN":       "cette continuité n'est pas au registre",
	"CONTINUITY_KINDS":         "deux objets de nature différente n'en font pas un",
	"CONTINUITY_SELF":          "c'est le même identifiant : donnez-en un autre",
	"CONTINUITY_EXISTS":        "ces deux identifiants n'en font déjà qu'un",
	"CONTINUITY_CONTRADICTED":  "le registre dit le contraire : l'un a pris la suite de l'autre, ou un troisième identifiant est déjà celui à suivre",
	"CONTINUITY_UNSHOWN":       "ces deux établissements n'ont en commun ni numéro, ni lieu, ni nom, ni entité juridique : donnez l'acte qui le dit (--act), ou ce qui montre qu'ils n'en font qu'un (--note)",
	"CONTINUITY_REVOKED":       "cette continuité est déjà révoquée",
	"PLAN_UNKNOWN":             "ce plan n'est pas au registre",
	"PLAN_CODE_TAKEN":          "un autre plan porte déjà ce code",
	"PLAN_END_NOT_LATER":       "une prolongation reporte la fin du plan : la date donnée n'est pas après celle du registre",
	"THRESHOLDS_UNCHANGED":     "ces seuils sont déjà ceux du cycle",
	"THRESHOLD_TWICE":          "le même seuil y est deux fois : un seul par rôle et par unité",
	"AXES_UNCHANGED":           "ces axes sont déjà ceux du registre",
	"SCOPE_UNCHANGED":          "ces maladies sont déjà celles du registre à partir de cette date",
	"RELEASE_OLDER":            "le registre connaît ces maladies par une édition plus récente de la nomenclature ORPHA",
	"TERRITORY_UNCHANGED":      "ce territoire est déjà celui du registre à partir de cette date",
	"CONTACT_MISPLACED":        "seules une plateforme et une filière ont des coordonnées",
	"CONTACT_UNCHANGED":        "ces coordonnées sont déjà celles du registre à partir de cette date",
	"NAME_UNCHANGED":           "ce nom est déjà celui du registre",
	"ID_TAKEN":                 "l'identifiant tiré est déjà pris : recommencez",
	"REQUEST_ID_REUSED":        "cette clé d'idempotence a déjà servi à une autre demande",
	"REQUEST_INVALID":          "la demande n'a pas la forme attendue",
	"CONTROL_CHARACTER":        "ce champ contient un caractère de commande invisible, venu sans doute d'un copier-coller : retapez la valeur",
	"PAGE_TOKEN_INVALID":       "la suite de la liste n'est plus lisible : recommencez la recherche",
	"TOO_LARGE":                "la demande est trop grande pour un seul enregistrement : partagez-la",
	"LEDGER_BEHIND":            "le grand livre est en retard, rien n'a été enregistré : réessayez dans un instant",
	"LOG_MOVED":                "d'autres écrivent en même temps et la demande n'a pu passer : recommencez",
	"OUTCOME_OPEN":             "le registre n'a pas répondu à temps, la demande est peut-être enregistrée",
	"LOG_UNREACHABLE":          "le courtier NATS ne répond pas, rien n'a été enregistré : réessayez",
	"CLOCK_SKEWED":             "l'horloge du serveur est décalée, il refuse d'écrire : prévenez l'exploitant",
	"PREPARING":                "le registre charge les données avec lesquelles il a démarré : réessayez dans un instant",
	"NOT_PREPARED":             "les données avec lesquelles le registre a démarré ne sont pas chargées",
	"STARTING":                 "le service démarre : réessayez dans un instant",
	"LOG_UNOPENED":             "le courtier NATS ne tient encore aucun journal : démarrez le service du grand livre (« maillage serve ledger »)",
	"UNAVAILABLE":              "le registre n'est pas prêt : réessayez dans un instant",
	"STOPPING":                 "le registre s'arrête : réessayez quand il aura redémarré",
	"KIND_UNKNOWN":             "aucun fait ne porte sur cette sorte d'objet",
	"TILE_UNKNOWN":             "cette tuile du grand livre n'existe pas, ou n'est pas encore signée",
	"RANGE_INVALID":            "le fichier n'a pas ces octets",
	"POSITION_NOT_REACHED":     "cette position n'est pas encore lisible",
	"IDENTITY_MISSING":         "dites au nom de qui vous agissez : --as COMPTE, ou MAILLAGE_AS",
	"CURSOR_INVALID":           "le curseur n'est pas de ce registre, ou a été abîmé : reprenez-le tel qu'il a été reçu",
	"FILES_DIFFER":             "ces fichiers ne sont pas ceux que leur description annonce : supprimez-les et redemandez-les ; si cela se répète, prévenez l'exploitant",
	"FILES_UNWRITTEN":          "les fichiers ne peuvent pas être écrits là où --out le dit : vérifiez le chemin, les droits et la place, puis recommencez (la réception reprend où elle en est)",
	"SNAPSHOT_UNREACHABLE":     "les fichiers de --from-snapshot ne peuvent pas être lus à cette adresse",
	"FILE_UNKNOWN":             "ce fichier n'est pas de ceux que le registre donne : voir snapshot.json, qui les nomme",
	"RANGE_EMPTY":              "rien n'a été enregistré entre ces deux positions : la première doit être avant la seconde",
	"SNAPSHOT_MAKING":          "les fichiers sont en préparation, ce qui prend du temps la première fois : redemandez dans un instant",
	"OFFSET_BEYOND":            "le fichier est plus court que ce qui en a déjà été reçu : reprenez-le du début",
	"LOG_FORKED":               "l'historique a été réécrit : le registre s'arrête, prévenez l'exploitant",
	"READER_TOO_SLOW":          "le lecteur n'a pas pris à temps ce qui lui était envoyé : il reprend à son dernier curseur",
	"EVENT_UNREADABLE":         "un événement du journal n'est pas compris de ce programme, qui s'arrête plutôt que de le sauter : lancez-en une version plus récente, ou prévenez l'exploitant",
	"LOG_DAMAGED":              "l'historique est endommagé : le registre s'arrête, prévenez l'exploitant",
	"LOG_ROLLED_BACK":          "les deux copies de l'historique sont revenues en arrière : voir « maillage restore --help »",
	"LOG_LOST":                 "les deux copies de l'historique sont perdues : ni le flux ni le grand livre n'a plus rien de ce qui avait été annoncé ; rapportez l'un des deux d'une sauvegarde, « maillage restore » refait l'autre d'après lui ; gardez le coffre, les clés et le dernier point de contrôle ; rien ne se restaure de PostgreSQL ; un registre neuf commence dans un autre répertoire (--data)",
	"STREAM_EMPTY":             "le flux du courtier est vide : il n'y a rien à restaurer de là",
	"NOT_ROLLED_BACK":          "rien de ce qui a été annoncé ne manque : il n'y a pas d'époque à ouvrir",
	"STORES_DIFFER":            "le journal et le grand livre n'ont pas la même longueur : restaurez l'un d'après l'autre d'abord",
	"LOG_EMPTY":                "les deux copies sont vides : il n'y a pas d'historique à poursuivre",
	"ACT_CITED":                "cet acte est au registre sans sa liste, cité par une source : ceci en devient la liste, sous son identifiant",
	"ACT_KNOWN":                "cet acte est déjà au registre (même nature, même titre, même date de signature, même NOR) : n'enregistrez que ce qui en diffère, un erratum par exemple, sous son propre titre",
	"LINE_NUMBER_TWICE":        "deux lignes de l'acte ont le même numéro : corrigez l'un des deux (une ligne sans numéro prend celui de son rang)",
	"DEPARTMENT_UNKNOWN":       "aucun département ni collectivité d'outre-mer ne répond à cela : donnez son code (01 à 95, 2A, 2B, 971…)",
	"COMMUNE_ELSEWHERE":        "ce code de commune n'est pas de ce département : corrigez l'un ou l'autre",
	"TERRITORY_UNKNOWN":        "ce territoire n'est pas connu : donnez le code INSEE ou le nom d'un département, ou le nom d'une région",
	"REGION_UNKNOWN":           "cette région n'est pas connue : donnez son code INSEE ou son nom",
	"HOLDER_MISSING":           holderAsked,
	"DISPOSITION_MISSING":      "dites ce que fait la ligne : granted, renewed, confirmedLabelId ou repealedLabelId",
	"VAULT_OTHER":              "ce coffre n'est pas celui de ce registre : restaurez-le d'une sauvegarde, ou voyez « maillage restore --new-vault »",
	"LEDGER_TAKEN":             "un autre processus tient déjà le grand livre (« serve ledger --follow » en tient un second, qui le suit)",
	"LEDGER_DIVERGED":          "ce grand livre ne contient pas ce que le grand livre qui fait foi a annoncé : il s'arrête, prévenez l'exploitant",
	"LEDGER_MISSING":           "le grand livre manque : « maillage restore --ledger » le refait depuis le journal",
	"LEDGER_EMPTY":             "le grand livre est vide : il n'y a rien à restaurer de là",
	"STORE_MISSING":            "il n'y a pas de magasin à cet endroit : vérifiez le répertoire",
	"HALTED":                   "le registre s'est arrêté de répondre : voyez « maillage ledger status », prévenez l'exploitant",
	"COMMIT_OPEN":              "un enregistrement n'est pas encore complet : réessayez dans un instant",
	"RESOLUTION_UNKNOWN":       "une réponse ne convient pas : la ligne ou l'objet qu'elle nomme n'existe pas",
	"RESOLUTION_NOT_ASKED":     "une réponse porte sur ce que le plan ne demande pas : elle ne change rien",
	"COLLABORATOR_NOT_LAPSED":  "l'acte ne fait perdre ce label à aucun centre : il ne peut pas laisser un collaborateur",
	"COLLABORATOR_NO_CENTRE":   "ce label n'est pas tenu par un centre : seul un centre est collaborateur d'un réseau",
	"COLLABORATOR_CLOSED":      "le centre de ce label ou son réseau ferme sans un seul successeur : déclarez à part le lien qui convient, par « maillage link declare »",
	"COLLABORATOR_LABELLED":    "le centre de ce label en garde un autre dans le même réseau : un collaborateur n'y a pas de label",
	"COLLABORATOR_ALREADY":     "ce centre est déjà collaborateur du réseau : rien n'est déclaré de plus",
	"RESOLUTION_CONTRADICTORY": "deux réponses se contredisent sur la même chose",
	"SCOPE_MISSING":            "dites la portée (--scope) de ce que l'acte proroge ou abroge",
	"SCOPE_DATE_MISSING":       "dites le jour (AAAA-MM-JJ) jusqu'auquel l'acte proroge, ou à compter duquel il abroge",
	"SCOPE_DATE_OUTSIDE_TERM":  "ces labels de la portée restent comme ils sont : le jour donné n'est pas après leur début, pour une abrogation, ou après leur fin, pour une prorogation",
	"SCOPE_EMPTY":              "à ce jour, l'acte ne change aucun label de sa portée : vérifiez la portée (--scope) et la date",
	"DATE_FAR":                 "aucun label ne finit à cette date : elle est gardée telle qu'imprimée, et la fin est inconnue",
	"TOTAL_NOT_UNDERSTOOD":     "ce que ce total annoncé compte n'est pas certain : il n'est pas comparé",
	"DAY_OUTSIDE_TERM":         "ces jours sont hors de la période du label : la ligne est suivie telle qu'imprimée, à vérifier avec « maillage label get »",
	"SCOPE_DECISION_AND_LINES": "un acte qui proroge ou abroge toute sa portée n'a pas de liste",
	"SUCCESSIONS_AND_LINES":    "un lot de successions n'a pas de liste de labels",
	"END_MISSING":              "une prorogation dit jusqu'à quand : il manque la date de fin",
	"DISPOSITION_MISPLACED":    "une ligne ne peut pas faire cela à un label",
	"DISPOSITION_OTHER":        "ce que dit la ligne ne va pas avec le registre : elle est lue autrement",
	"LABEL_NOT_FOUND":          "aucun label connu auquel la ligne puisse s'appliquer : elle est gardée telle quelle",
	"WINDOW_NOT_AFTER":         "le label ne commence pas après celui dont il prend la suite",
	"WINDOW_OTHER":             "la période n'est pas celle du cycle",
	"WINDOW_DIFFERS":           "les deux moments sont à comparer dans la même fenêtre, légale ou opérationnelle",
	"PLACE_OTHER":              "le centre est enregistré ailleurs : son déplacement s'enregistre à part (« centre move »)",
	"HOSPITAL_LEARNT":          "le centre est au registre sans établissement, et celui de la ligne n'est pas certain : il s'enregistre à part (« centre attach »)",
	"COMPETENCE_UNATTACHED":    "ce centre de compétence ne se rattache à aucun centre de référence en vigueur",
	"COORDINATORS_SEVERAL":     "le réseau aurait plusieurs coordonnateurs",
	"COORDINATOR_MISSING":      "le réseau n'aurait pas de coordonnateur",
	"FILIERES_SEVERAL":         "le réseau est imprimé sous plusieurs filières",
	"FILIERE_UNKNOWN_PRINTED":  "la filière imprimée n'est pas au registre",
	"FINESS_PRINTED_WRONG":     "le numéro FINESS imprimé est faux : il est gardé tel quel",
	"FINESS_PRINTED_TWICE":     "ce numéro FINESS est imprimé pour un autre établissement nouveau, qui le garde : celui-ci est enregistré sans numéro",
	"HEADS_SEVERAL":            "plusieurs responsables dans la cellule, gardés ensemble comme responsable du label",
	"OUTGOING_OTHER":           "le responsable connu n'est pas celui qui est dit partir",
	"ROLE_NOT_PRINTED":         "le rôle n'est pas imprimé, ou pas en entier",
	"END_NOT_STATED":           "les labels accordés n'ont pas de fin : ils seront indéterminés dès le lendemain de leur début ; donnez --end si l'acte la dit",
	"PUBLISHED_BEFORE_SIGNED":  "publié avant d'être signé",
	"STREAM_BEHIND":            "le journal est en retard sur le grand livre : réessayez dans un instant",
	"CENTRE_CLOSED":            "ce centre est fermé à cette date, d'autres lui ont succédé : agissez sur son successeur, ou à une date antérieure",
	"NETWORK_CLOSED":           "ce réseau est fermé à cette date, d'autres lui ont succédé : agissez sur son successeur, ou à une date antérieure",
	"SUCCEEDS_ITSELF":          "rien ne se succède à soi-même, même par détour : vérifiez qui ferme et qui succède",
	"NAMED_TWICE":              "le même identifiant est donné deux fois",
	"PLACE_MISSING":            "dites où : des établissements, ou un lieu si aucun n'est connu",
	"PLACE_UNCHANGED":          "c'est déjà là à partir de cette date",
	"HOLDER_UNKNOWN":           "ce titulaire n'est pas au registre : donnez un site, un réseau, une filière ou une plateforme",
	"OFFICE_UNKNOWN":           "cette fonction n'est pas au registre",
	"OFFICE_HOLDER_MISMATCH":   "ce titulaire n'a pas cette fonction : un site a un responsable, un coresponsable ou des référents ; un réseau, une filière ou une plateforme a un coordonnateur",
	"OFFICE_OTHER_POST":        "la fonction à laquelle celle-ci succède n'est pas la même, ou n'est pas du même titulaire",
	"OFFICE_ENDED":             "cette fonction a déjà pris fin",
	"OFFICE_TWICE":             "cette personne exerce déjà cette fonction à cette date",
	"RPPS_INVALID":             "un numéro RPPS compte onze chiffres : vérifiez la saisie",
	"DATE_MISSING":             "il faut une date, même réduite à l'année",
	"DAY_NOT_DUE":              "il n'y a rien à annoncer à cette date",
	"CAMPAIGN_UNKNOWN":         "cette campagne n'est pas au registre",
	"CAMPAIGN_NAME_TAKEN":      "une autre campagne porte déjà ce nom",
	"SAME_PERSON":              "qui a préparé ou soumis ne peut pas approuver ou valider : il y faut une autre personne",
	"EXTENSION_NOT_LATER":      "une prorogation reporte la fin du label : la date donnée n'est pas après l'échéance connue",
	"SUSPENSION_OUTSIDE_TERM":  "la suspension sort de la période où le label est détenu : voir « maillage label get »",
	"SUSPENSION_OVERLAPS":      "le label est déjà suspendu sur une partie de ces jours",
	"NOT_SUSPENDED":            "ce label n'a pas de suspension sans fin à lever",
	"ANNULMENT_OUTSIDE_TERM":   "l'effet différé de l'annulation est hors de la période du label ; une annulation depuis l'origine se donne sans date",
	"LAPSE_BEFORE_START":       "ce label ne commence pas avant l'effet de l'acte : sa liste n'a pas pu le perdre",
	"ABSENCES_UNSTATED":        "une ligne ne dit un label perdu que si l'acte énonce ses absences (absencesStated)",
	"OPERATION_OUT_OF_ORDER":   "ouverture, maintien et fermeture ne se suivent pas : vérifiez les dates déjà données avec « maillage label get »",
	"PLAN_CHANGED":             "le registre a bougé depuis la préparation et un effet n'est plus le même : relisez la différence, puis approuvez de nouveau avec --effects EMPREINTE",
	"PLAN_OPEN":                "des identités restent à trancher : « act plan » les écrit dans un fichier à remplir",
	"LAPSES_NOT_ACCEPTED":      "des labels sont perdus, par absence de la liste ou expirés et non repris : relisez-les avec « act drafts », puis acceptez-en le nombre avec --accept-lapses",
	"DRAFT_UNKNOWN":            "ce brouillon n'existe pas : voir « maillage act drafts »",
	"DRAFT_CLOSED":             "ce brouillon est déjà approuvé ou rejeté",
	"DRAFT_ERASED":             "le texte de ce brouillon n'est plus au coffre",
	"CENTRE_UNNAMED":           "rien ne dit quel est ce centre : donnez son nom (--name), un établissement (--establishment) ou un lieu (--city, --department, --territory)",
	"NAME_MISSING":             "dites qui prend le poste (--name, ou --rpps) ; un poste qui devient vacant s'enregistre par « office leave »",
	"REPLAYING":                "le registre relit son historique : réessayez dans un instant",
	"ASSERTION_UNKNOWN":        "il n'y a à cette position ni ligne indéterminée ni autre dire d'une source : voir « maillage todo », ou l'historique de l'acte",
	"ALREADY_SETTLED":          "cela est déjà réglé ainsi",
	"LABEL_MISSING":            "dites de quel label il s'agit (--label)",
	"LABEL_MISPLACED":          "cette issue ne va avec aucun label : ôtez --label, ou choisissez « même label » ou « nouveau label »",
	"MISSIONS_UNCHANGED":       "ces missions sont déjà celles du registre à partir de cette date",
	"MISSION_UNKNOWN":          "le titulaire, ou l'un de ceux à qui l'indicateur est demandé, n'a pas cette mission à cette date : enregistrez-la d'abord (« maillage activity missions »)",
	"CODE_TWICE":               "le même code est donné deux fois",
	"PERIOD_UNKNOWN":           "cette période de rapport n'est pas au registre",
	"PERIOD_CODE_TAKEN":        "une autre période porte déjà ce code",
	"PERIOD_CLOSED":            "cette période est close : seules les rectifications sont reçues, ou rouvrez-la (« maillage activity period reopen »)",
	"PERIOD_OPEN":              "cette période est déjà ouverte",
	"DUE_BEFORE_START":         "les rapports ne peuvent pas être dus avant le début de la période",
	"CLOSED_BEFORE_START":      "une période ne peut pas être close avant son début",
	"INDICATORS_UNCHANGED":     "la période demande déjà exactement cela",
	"INDICATOR_USED":           "un rapport a déjà une valeur pour cet indicateur : il reste demandé, dans son type et son unité",
	"INDICATOR_UNKNOWN":        "la période ne demande pas cet indicateur",
	"INDICATOR_NOT_ASKED":      "cet indicateur n'est pas demandé à qui rend compte",
	"INDICATOR_REQUIRED":       "il manque un indicateur obligatoire",
	"VALUE_TYPE":               "la valeur n'est pas du type de l'indicateur",
	"VALUE_MISSING":            "il manque la valeur",
	"VALUE_TWICE":              "cet indicateur a déjà une valeur plus haut",
	"VALUES_UNCHANGED":         "la rectification ne change rien",
	"REPORTER_KIND":            "seuls une PEMR, une PCOM ou un site rendent un rapport",
	"REPORT_UNKNOWN":           "ce rapport n'est pas au registre",
	"REPORT_PENDING":           "ce rapport attend d'être validé ou renvoyé",
	"REPORT_VALIDATED":         "ce rapport est validé : il se rectifie (« maillage activity report amend »)",
	"REPORT_NOT_VALIDATED":     "ce rapport n'a jamais été validé : il se soumet de nouveau après son renvoi",
	"REPORT_RETURNED":          "ce rapport a déjà été renvoyé à qui l'a soumis",
	"REVISION_STALE":           "le rapport en est à une autre révision : relisez-la",
	"UNDERTAKING_UNKNOWN":      "ce projet, cette formation ou cette action n'est pas au registre",
	"UNDERTAKING_CANCELLED":    "il a déjà été annulé",
	"UNDERTAKING_UNCHANGED":    "la révision ne change rien",
	"AXIS_TWICE":               "le même axe est cité deux fois",
	"REVISION_UNKNOWN":         "ce rapport n'a pas, ou pas encore, cette révision",
	"AXIS_UNKNOWN":             "ce plan n'a pas cet axe",
	"MEASURE_TWICE":            "le même site y est deux fois pour la même année et la même unité",
	"MEASURES_UNCHANGED":       "tout est déjà au registre, à l'identique",
	"MEASURE_UNKNOWN":          "aucune mesure de ce site, de cette année et de cette unité n'est au registre",
	"CONSUMER_EXISTS":          "un accès de ce nom est déjà ouvert : fermez-le d'abord (« maillage consumer remove »), ou prenez un autre nom",
	"CONSUMER_KEY_USED":        "cette clé a déjà servi à un accès : faites-en une autre, en donnant un nouveau fichier avec --key",
	"CONSUMER_KEY_INVALID":     "cette clé publique est fausse (clé d'utilisateur NATS, 56 caractères)",
	"CONSUMER_UNKNOWN":         "aucun accès de ce nom n'a été ouvert : voir « maillage consumer list »",
	"CONSUMER_REMOVED":         "cet accès est déjà fermé",
	"BROKER_CLOSED":            "le courtier du registre n'est ouvert qu'à lui-même : démarrez-le avec une adresse (--nats 127.0.0.1:4222)",
	"BROKER_BEHIND":            "c'est enregistré, mais le courtier n'a pas encore suivi : il le fera de lui-même, vérifiez dans un instant avec « maillage consumer list »",
	"COPY_TAKEN":               "un autre « maillage follow » tient déjà cette copie : arrêtez-le, ou donnez-en une autre avec --sink",
	"COPY_UNUSABLE":            "la copie ne peut pas être tenue là où --sink le dit : vérifiez le chemin ou l'adresse, les droits et la place, puis recommencez (elle reprend où elle en est)",
	"READ_MODEL_OFF":           "ce registre répond de sa mémoire : il a été démarré sans base PostgreSQL (--postgres)",
	"READ_MODEL_MISPLACED":     "--postgres ne va qu'avec le service registry, qui répond aux lectures",
	"READ_MODEL_UNAVAILABLE":   "la base PostgreSQL qui répond aux lectures n'est pas joignable ; les enregistrements se poursuivent : réessayez, ou prévenez l'exploitant",
	"READ_MODEL_HALTED":        "les tables de PostgreSQL ne suivent plus le registre ; les enregistrements se poursuivent : voyez « maillage rebuild --status », prévenez l'exploitant",
	"READ_MODEL_FILLING":       "les tables de PostgreSQL se remplissent pour la première fois : réessayez dans un instant (« maillage rebuild --status »)",
	"READ_MODEL_BEHIND":        "les tables de PostgreSQL sont en retard sur le registre : réessayez dans un instant",
	"READ_MODEL_FORKED":        "les tables de PostgreSQL sont d'un autre historique que celui-ci : elles ne suivent plus, prévenez l'exploitant",
	"POSTGRES_MISSING":         "les programmes de PostgreSQL (15 ou plus récent) ne sont pas installés : sous Debian, « apt-get install postgresql »",
	"POSTGRES_ACCOUNT":         "PostgreSQL ne s'exécute pas sous le compte root, et il n'y a ni compte postgres ni compte nobody à sa place",
	"POSTGRES_DIRECTORY":       "le compte de PostgreSQL ne peut pas se servir de ce répertoire : choisissez-en un autre avec --data",
	"POSTGRES_ENDED":           "le PostgreSQL privé ne démarre pas : son répertoire peut être supprimé, il se remplit de nouveau depuis le journal",
	"POSTGRES_URL":             "l'adresse de la base PostgreSQL ne se lit pas : postgres://compte@hôte/base",
	"OPENING_ALTERED":          "une valeur donnée en clair n'est pas celle à laquelle les événements du paquet sont engagés",
	"READ_MODEL_DIFFERS":       "les tables reconstruites diffèrent du journal : elles n'ont pas pris la place de celles qui sont lues, prévenez l'exploitant",
	"NOT_REBUILDING":           "aucune reconstruction n'est en cours",
	"BUNDLE_INCOMPLETE":        "le paquet ne contient pas de quoi le montrer",
	"BUNDLE_UNREADABLE":        "ce n'est pas un paquet d'audit, ou il est abîmé",
	"CHECKPOINT_CONFLICT":      "le grand livre n'est plus celui dont des points de contrôle ont été signés : l'historique a été coupé ou réécrit depuis ; le registre ne démarre pas, ou ne signe plus rien : prévenez l'exploitant",
	"CHECKPOINT_OLD":           "un point de contrôle plus récent a déjà été vu : celui-ci est rejoué",
	"DIGEST_DIFFERS":           "l'état rejoué n'est pas celui que le registre annonçait",
	"ENTRY_ALTERED":            "un événement n'est pas celui qui a été signé",
	"ENTRY_MISSING":            "il manque un événement, ou ils ne sont pas dans l'ordre",
	"KEPT_UNREADABLE":          "le point de contrôle gardé (--kept) n'en est pas un, ou aucune des clés données ne l'a signé",
	"KEY_EXPOSED":              "la clé qui signe les points de contrôle est lisible par d'autres : chmod 600",
	"KEY_MISSING":              "ce registre a signé des points de contrôle et leur clé n'est plus là : remettez-la d'après sa sauvegarde (--key FICHIER, avec son fichier .last) ; si elle est perdue, faites-en une autre avec « maillage ledger key --new », et annoncez la nouvelle clé publique à qui suit le registre",
	"KEY_TAKEN":                "un autre processus signe déjà les points de contrôle d'ici : arrêtez l'un des deux",
	"KEY_UNREADABLE":           "la clé qui signe les points de contrôle ne se lit pas",
	"NOT_YET_SIGNED":           "cela n'est pas encore signé : redemandez dans quelques secondes",
	"NO_CHECKPOINT":            "aucun point de contrôle n'est encore signé : redemandez dans quelques secondes",
	"NO_LEDGER_HERE":           "ce processus ne tient pas le grand livre qui fait foi : adressez-vous à celui qui le tient",
	"SIGNATURE_UNKNOWN":        "aucune des clés données n'a signé ce point de contrôle",
	"TREE_TOO_SMALL":           "le point de contrôle s'arrête avant cette position",
	"WITNESSES_MISSING":        "les témoins demandés n'ont pas tous contresigné",
	"NOT_KEPT":                 "ce schéma n'est pas de ceux qui sont gardés : voyez « maillage rebuild --status »",
	"ACT_NOT_SIGNED":           "l'acte n'est pas signé : donnez --signed, puis préparez-le de nouveau",
}

// annexReasons is what an officer is told of a place in the file of an annex.
var annexReasons = map[string]string{
	"NOT_READABLE":        "le fichier ne peut pas être lu",
	"TOO_LARGE":           "le fichier est plus grand qu'une annexe ne peut l'être",
	"ENCRYPTED":           "le classeur est protégé par un mot de passe",
	"OLD_FORMAT":          "le classeur est au format d'Excel 97-2003 : enregistrez-le en XLSX",
	"NOT_A_SPREADSHEET":   "ce n'est ni un classeur XLSX ni du CSV",
	"ENCODING_UNKNOWN":    "cet octet n'est une lettre dans aucun codage connu ici, ou le fichier en mêle deux : enregistrez-le en CSV UTF-8",
	"BAD_QUOTES":          "à partir d'ici, les guillemets du CSV ne vont pas par paires",
	"NO_TABLE":            "aucun tableau reconnu : aucune rangée n'en porte les en-têtes",
	"NO_LINE":             "le tableau n'a pas de ligne",
	"NETWORK_MISSING":     "la ligne ne nomme aucun réseau, et aucun titre au-dessus ne le fait",
	"PERIOD_REVERSED":     "la fin n'est pas après le début",
	"CELL_TOO_LONG":       "la cellule a plus de 2 000 caractères",
	"CELL_AMBIGUOUS":      "la cellule peut nommer un établissement ou plusieurs : mettez-en un par ligne, ou des points-virgules entre eux",
	"COLUMN_AMBIGUOUS":    "l'en-tête nomme un rôle, et rien ne dit si les cellules nomment des établissements ou des personnes : précisez-le dans l'en-tête (« Établissement coordonnateur », « Médecin coordonnateur »)",
	"HEAD_MISSING":        "la succession ne nomme ni qui part ni qui vient",
	"LINE_UNREADABLE":     "la ligne n'est pas un nombre à partir de 1",
	"SUBJECT_UNKNOWN":     "le sujet n'est ni réseau, ni centre, ni label, ni établissement, ni perte",
	"DECISION_UNKNOWN":    "la décision n'est ni identique, ni nouveau, ni successeur de, ni indéterminé ; pour une perte, elle est collaborateur ou vide",
	"DECIDED_TWICE":       "ce sujet est déjà tranché plus haut",
	"ID_MISSING":          "cette décision demande l'identifiant d'un objet du registre",
	"ID_SUPERFLUOUS":      "cette décision ne va pas avec un identifiant",
	"ID_UNREADABLE":       "ce n'est pas un identifiant du registre",
	"ROLE_UNKNOWN":        "type de label inconnu, laissé non précisé",
	"DATE_UNREADABLE":     "date incomprise, laissée inconnue",
	"POPULATION_UNKNOWN":  "population incomprise, laissée non précisée",
	"DEPARTMENT_UNKNOWN":  "département inconnu, laissé vide",
	"OPINION_UNKNOWN":     "avis incompris, laissé non précisé",
	"FINESS_ZERO_LOST":    "le numéro FINESS a perdu son premier zéro, qui est remis",
	"FINESS_BAD_CHECK":    "la clé du numéro FINESS est fausse",
	"FINESS_UNREADABLE":   "numéro FINESS illisible, laissé vide",
	"NUMBER_UNUSABLE":     "numéro imprimé absent ou répété : les lignes sont numérotées par leur rang",
	"CELL_ERROR":          "la cellule porte l'erreur d'une formule, lue comme vide",
	"COLUMN_UNKNOWN":      "colonne inconnue, non lue",
	"COLUMN_REPEATED":     "une autre colonne dit la même chose avant celle-ci, qui n'est gardée que telle qu'imprimée",
	"COLUMN_PRESUMED":     "en-tête inconnu : la colonne est lue d'après ses mots, vérifiez-la",
	"ROW_HIDDEN":          "rangées masquées à partir d'ici, lues comme les autres : ôtez-les si elles ne sont pas de la liste",
	"COLUMN_HIDDEN":       "colonne masquée, lue comme les autres : ôtez-la si elle n'est pas de la liste",
	"HEAD_NOT_NAMED":      "la cellule ne nomme personne : le responsable reste inconnu",
	"NETWORK_FROM_ABOVE":  "aucun réseau imprimé après un saut de page : celui de la ligne précédente est repris",
	"FILIERE_PRESUMED":    "ce titre est pris pour le nom d'une filière",
	"PERSON_SUSPECTED":    "la cellule paraît nommer une personne : elle n'est pas gardée telle qu'imprimée",
	"FILIERE_FROM_SHEET":  "aucune filière imprimée : le nom de la feuille en tient lieu",
	"SHEET_HIDDEN":        "feuille masquée, non lue",
	"SHEET_WITHOUT_TABLE": "feuille sans tableau",
	"SHEET_OF_COUNTS":     "feuille qui compte les centres sans les lister, non lue",
	"TITLE_ROW":           "rangée au-dessus du tableau",
	"HEADER_REPEATED":     "en-têtes répétés",
	"FOOTNOTE":            "note",
	"TOTAL_UNREADABLE":    "total annoncé qui ne se lit pas avec certitude, et n'est pas compté",
	"HEADING_UNPLACED":    "titre sans lignes, ou ligne d'une seule cellule",
}

// suffixes is the same for families of reasons.
var suffixes = map[string]string{
	"_NOT_YET":   "cela n'existe pas encore à cette date : choisissez --valid-at plus tard",
	"_NO_LONGER": "cela n'existe plus à cette date : choisissez --valid-at plus tôt",
}

// kinds is what an officer is told of a reason that only a newer register gives.
var kinds = map[fault.Kind]string{
	fault.Invalid:     "la demande n'a pas la forme attendue",
	fault.NotFound:    "cela n'est pas au registre",
	fault.Refused:     "une règle du registre refuse la demande",
	fault.Conflict:    "d'autres écrivent en même temps : recommencez",
	fault.Unavailable: "le registre n'est pas prêt : réessayez dans un instant",
	fault.Damaged:     "l'historique est endommagé : prévenez l'exploitant",
}

// explain says in French what went wrong, and with which exit code the program ends.
func (a *app) explain(err error) (text string, code int) {
	if ps, is := errors.AsType[seed.Problems](err); is {
		return seedProblems(ps), exitRefused
	}
	if annexErrors := annexProblems(err); annexErrors != "" {
		return annexErrors, exitRefused
	}
	if f, is := errors.AsType[fileError](err); is {
		return f.Error(), exitRefused
	}
	if text := damagedCopy(err); text != "" {
		return text, exitDamage
	}
	if _, is := errors.AsType[usageError](err); is {
		return "commande incorrecte : " + usageText(err.Error()), exitUsage
	}
	prefix := ""
	if s, is := errors.AsType[*seed.StepError](err); is {
		prefix = fmt.Sprintf("%s, ligne %d : ", s.File, s.Row)
	}
	own, is := fault.FromStatus(unjoined(err))
	if !is {
		text, code = a.explainStatus(unjoined(err))
		return prefix + text, code
	}
	code = exitOf(codes.Code(own.Kind), true)
	_, local := errors.AsType[*fault.Error](err)
	return prefix + a.sentence(own, a.detail(own, local)), code
}

// unjoined is the error of a call, out of those that wrap it.
func unjoined(err error) error {
	if e, is := errors.AsType[*fault.Error](err); is {
		return e
	}
	if e, is := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err); is {
		return e
	}
	return err
}

// detail is what an error says besides its reason, in French: of the register's own
// English sentence the values, and all of it for a program (--json) or, where it has no words
// in French, for whoever runs the process itself, of which the error is then.
func (a *app) detail(e *fault.Error, local bool) string {
	said := strings.TrimSuffix(e.Message, ".")
	switch {
	case said == "":
		return ""
	case a.json:
		return " [" + said + "]"
	case local && a.client.Server == "":
		if told, is := telling(said); is {
			return prefixed(" — ", told)
		}
		return " [" + said + "]"
	case local: // of a verb, in French
		return " — " + said
	}
	return prefixed(" — ", toldInFrench(said))
}

// sentence is a reason in French, with a detail and what is at fault.
func (a *app) sentence(e *fault.Error, detail string) string {
	text := reasons[e.Reason]
	if e.Reason == "REQUEST_INVALID" {
		if rule := broken(e); rule != "" {
			text = rule
			if !a.json {
				detail = ""
			}
		}
	}
	for suffix, s := range suffixes {
		if text == "" && strings.HasSuffix(e.Reason, suffix) {
			text = s
		}
	}
	text = cmp.Or(text, kinds[e.Kind], "le registre a répondu par une erreur") + detail
	if e.Field != "" {
		name := fieldText(e.Field)
		if a.fieldsAsJSON {
			name = asJSON(e.Field)
		}
		text += " — champ " + name + lineOf(e.Field)
	}
	if e.Position != 0 {
		text += fmt.Sprintf(" — position %d", e.Position)
	}
	text += " (" + e.Reason + ")"
	if e.Reason == "OUTCOME_OPEN" {
		text += a.repeat()
	}
	return text
}

// fieldText is the path of a field of a command as an officer reads it, under its own
// name where it has no other.
func fieldText(path string) string {
	name, index, repeated := strings.Cut(path[strings.LastIndexByte(path, '.')+1:], "[")
	if moment, _, of := strings.Cut(path, "."); of && (moment == "from" || moment == "to") {
		name = moment // one of the two moments of a diff, named as its flag
	}
	french, known := names[protoreflect.Name(name)]
	if !known {
		return path
	}
	text := "« " + french + " »"
	if i, err := strconv.Atoi(strings.TrimSuffix(index, "]")); repeated && err == nil && i > 0 && name != "lines" {
		text += fmt.Sprintf(" (n° %d)", i+1)
	}
	return text
}

var lineField = regexp.MustCompile(`^(?:annex\.)?lines\[(\d+)\]`)

// lineOf says which line of an act a field is of.
func lineOf(field string) string {
	m := lineField.FindStringSubmatch(field)
	if m == nil {
		return ""
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return ""
	}
	return fmt.Sprintf(", ligne n° %d de l'acte", n+1)
}

// repeat says how to learn the outcome of the command under way.
func (a *app) repeat() string {
	if a.requestID == "" {
		return ""
	}
	return " ; répétez la même commande avec --request-id " + a.requestID + " : elle n'ajoutera rien si elle est passée"
}

// explainStatus explains an error that carries no reason of the register.
func (a *app) explainStatus(err error) (string, int) {
	st, is := status.FromError(err)
	switch {
	case errors.Is(err, context.Canceled):
		return "interrompu" + a.repeat(), exitFailed
	case errors.Is(err, context.DeadlineExceeded):
		return a.late(), exitFailed
	case !is || st.Code() == codes.Unknown:
		if text := startFault(err); text != "" {
			return text, exitFailed
		}
		return err.Error(), exitFailed
	}
	code := exitOf(st.Code(), false)
	if u, is := errors.AsType[*route.Unreachable](err); is && u.Addresses != a.client.Server {
		return fmt.Sprintf("le service %s ne répond pas à %s ; démarrez-le avec « maillage serve %s », ou donnez son adresse avec --server%s", u.Part, u.Addresses, u.Part, a.repeat()), code
	}
	switch st.Code() {
	case codes.Unavailable:
		return fmt.Sprintf("le registre ne répond pas à %s ; démarrez-le avec « maillage up », ou donnez son adresse avec --server%s", a.client.Server, a.repeat()), code
	case codes.DeadlineExceeded:
		return a.late(), code
	case codes.ResourceExhausted:
		return "la demande est trop grande : partagez-la en plusieurs" + a.english(st), code
	case codes.Unimplemented:
		return "le serveur à " + a.client.Server + " n'offre pas ce service : il est d'une autre version, ou n'en tient qu'une partie" + a.english(st), code
	case codes.Canceled:
		return "interrompu" + a.repeat(), code
	case codes.InvalidArgument:
		return kinds[fault.Invalid] + a.english(st), code
	case codes.Aborted:
		return kinds[fault.Conflict] + a.english(st), code
	default:
		return fmt.Sprintf("le registre a répondu par une erreur (%s) : recommencez, puis prévenez l'exploitant%s", st.Code(), a.english(st)), code
	}
}

// english is the words of a status, for a program.
func (a *app) english(st *status.Status) string {
	if !a.json {
		return ""
	}
	return " [" + st.Message() + "]"
}

func (a *app) late() string {
	return fmt.Sprintf("pas de réponse de %s en %v ; donnez plus de temps avec --timeout%s", a.client.Server, a.client.Timeout, a.repeat())
}

// exitOf is the exit code of a status; reasoned says that a rule of the register
// gave a reason.
func exitOf(c codes.Code, reasoned bool) int {
	switch c {
	case codes.FailedPrecondition, codes.InvalidArgument, codes.AlreadyExists, codes.OutOfRange:
		return exitRefused
	case codes.Aborted:
		if reasoned {
			return exitRefused
		}
		return exitFailed
	case codes.NotFound:
		return exitNotFound
	case codes.DataLoss:
		return exitDamage
	default:
		return exitFailed
	}
}

// fileError is a fault of a file that a verb was given.
type fileError struct {
	file string
	why  string
}

func (e fileError) Error() string { return e.file + " : " + e.why }

var seedFaults = map[seed.Fault]string{
	seed.NotUTF8:       "n'est pas en UTF-8",
	seed.NotCSV:        "n'est pas du CSV (RFC 4180)",
	seed.UnknownColumn: "colonne inconnue",
	seed.MissingColumn: "colonne absente",
	seed.MissingValue:  "valeur absente",
	seed.WrongValue:    "valeur refusée",
	seed.Duplicate:     "en double",
	seed.NoMatch:       "ne désigne rien de ces fichiers",
	seed.SeveralMatch:  "désigne plusieurs choses de ces fichiers",
	seed.NoFiles:       "aucun des fichiers attendus (establishments.csv, fsmr.csv, cycles.csv, centres.csv, platforms.csv...)",
}

// seedProblems is everything wrong with a directory of seeds.
func seedProblems(ps seed.Problems) string {
	var b strings.Builder
	b.WriteString("rien n'a été enregistré, les fichiers sont à corriger :")
	for _, p := range ps {
		b.WriteString("\n  " + p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ", ligne %d du fichier", p.Line)
		}
		if p.Row > 0 {
			fmt.Fprintf(&b, ", ligne %d", p.Row)
		}
		if p.Column != "" {
			fmt.Fprintf(&b, ", colonne %s", p.Column)
		}
		b.WriteString(" : " + seedFaults[p.Fault])
		if p.Value != "" {
			fmt.Fprintf(&b, " « %s »", p.Value)
		}
		if p.Why != "" {
			fmt.Fprintf(&b, " (%s)", p.Why)
		}
	}
	return b.String()
}

// annexProblems is everything for which the file of an annex is refused, empty for an
// error of another kind.
func annexProblems(err error) string {
	var lines []string
	if many, is := err.(interface{ Unwrap() []error }); is {
		for _, one := range many.Unwrap() {
			if text := annexProblems(one); text != "" {
				lines = append(lines, text)
			}
		}
		return strings.Join(lines, "\n")
	}
	if e, is := errors.AsType[*annex.Error](err); is {
		return annexText(e)
	}
	return ""
}

// annexText is what is said of a place of an annex, in French.
func annexText(e *annex.Error) string {
	at := joined(", ", e.File, prefixed("feuille ", e.Sheet))
	switch {
	case e.Cell != "":
		at = joined(", ", at, "cellule "+e.Cell)
	case e.Row > 0:
		at = joined(", ", at, fmt.Sprintf("rangée %d", e.Row))
	}
	if e.Byte > 0 {
		at = joined(", ", at, fmt.Sprintf("octet %d", e.Byte))
	}
	if e.Header != "" {
		at = joined(", ", at, "colonne « "+e.Header+" »")
	}
	return joined(" : ", at, cmp.Or(annexReasons[e.Reason], e.Reason))
}
