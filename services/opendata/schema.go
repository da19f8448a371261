package opendata

// field is one of a Table Schema.
type field struct {
	Name        string       `json:"name"`
	Title       string       `json:"title"`
	Description string       `json:"description"`
	Type        string       `json:"type"`
	Constraints *constraints `json:"constraints,omitempty"`
}

type constraints struct {
	Required bool     `json:"required,omitempty"`
	Unique   bool     `json:"unique,omitempty"`
	Pattern  string   `json:"pattern,omitempty"`
	Enum     []string `json:"enum,omitempty"`
}

func fieldOf(name, title, text string, holds content) field {
	f := field{Name: name, Title: title, Description: text, Type: holds.kind}
	if holds.required || holds.unique || holds.pattern != "" || holds.words != nil {
		f.Constraints = &constraints{Required: holds.required, Unique: holds.unique, Enum: holds.words}
		if holds.pattern != "" {
			f.Constraints.Pattern = "^(" + holds.pattern + ")$"
		}
	}
	return f
}

// schema is a Table Schema (https://specs.frictionlessdata.io/table-schema). What names it
// besides is as data.gouv.fr has it: https://guides.data.gouv.fr, schémas de données.
type schema struct {
	Profile       string       `json:"$schema,omitempty"`
	Name          string       `json:"name,omitempty"`
	Title         string       `json:"title,omitempty"`
	Description   string       `json:"description,omitempty"`
	CountryCode   string       `json:"countryCode,omitempty"`
	Version       string       `json:"version,omitempty"`
	Fields        []field      `json:"fields"`
	PrimaryKey    string       `json:"primaryKey"`
	ForeignKeys   []foreignKey `json:"foreignKeys,omitempty"`
	MissingValues []string     `json:"missingValues"`
}

type foreignKey struct {
	Fields    string    `json:"fields"`
	Reference reference `json:"reference"`
}

type reference struct {
	Resource string `json:"resource"`
	Fields   string `json:"fields"`
}

// schemaVersion is that of the columns: the first number changes when one goes or means
// something else, the second when one comes.
const schemaVersion = "1.0.0"

// inPackage is the schema of a file as its package states it; alone it stands without
// what leads to other files.
func (a about) inPackage(fields []field) schema {
	s := schema{Fields: fields, PrimaryKey: a.key, MissingValues: []string{""}}
	for _, f := range a.foreign {
		s.ForeignKeys = append(s.ForeignKeys, foreignKey{f.column, reference{f.file, f.of}})
	}
	return s
}

func (a about) alone(fields []field) schema {
	return schema{
		Profile: "https://specs.frictionlessdata.io/schemas/table-schema.json",
		Name:    a.name, Title: a.title, Description: a.text, CountryCode: "FR", Version: schemaVersion,
		Fields: fields, PrimaryKey: a.key, MissingValues: []string{""},
	}
}
