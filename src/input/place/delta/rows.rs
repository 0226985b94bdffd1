//! Rows of a log in the form that the kernel reads: cells of its own types, regardless of the file format.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Field, Int64Type};
use delta_kernel::engine_data::{GetData, ListItem, MapItem, StringArrayAccessor};
use delta_kernel::expressions::{ArrayData, ColumnName};
use delta_kernel::schema::{DataType, PrimitiveType, SchemaRef, StructType};
use delta_kernel::{EngineData, KernelError, KernelResult, RowVisitor};
use serde_json::Value;

/// A value of a row.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Whole(i64),
    Text(String),
    List(Texts),
    Map(Texts, Texts),
    Struct(Vec<Cell>),
}

/// The elements of a list, or the keys or values of a map.
#[derive(Debug, Clone)]
pub(crate) struct Texts(Vec<Option<String>>);

/// Rows of one schema: each a struct of cells.
pub(crate) struct LogRows {
    pub(crate) schema: SchemaRef,
    pub(crate) rows: Vec<Cell>,
}

/// A column that the kernel requested.
struct CellColumn<'a>(Vec<&'a Cell>);

impl Cell {
    /// A value of a JSON text. Fields that are not in the schema are ignored.
    pub(crate) fn of_json(value: &Value, data_type: &DataType) -> Result<Cell, String> {
        let text = |value: &Value| match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            other => Err(format!("{other} instead of text")),
        };
        Ok(match (value, data_type) {
            (Value::Null, _) => Cell::Null,
            (Value::Bool(value), DataType::Primitive(PrimitiveType::Boolean)) => Cell::Bool(*value),
            (Value::String(value), DataType::Primitive(PrimitiveType::String)) => Cell::Text(value.clone()),
            (Value::Number(value), DataType::Primitive(kind)) if is_whole(kind) => {
                Cell::Whole(value.as_i64().ok_or_else(|| format!("{value} is not a 64-bit integer"))?)
            }
            (Value::Array(values), DataType::Array(_)) => {
                Cell::List(Texts(values.iter().map(text).collect::<Result<_, _>>()?))
            }
            (Value::Object(entries), DataType::Map(_)) => Cell::Map(
                Texts(entries.keys().map(|key| Some(key.clone())).collect()),
                Texts(entries.values().map(text).collect::<Result<_, _>>()?),
            ),
            (Value::Object(entries), DataType::Struct(schema)) => {
                let field = |name: &String, kind| entries.get(name).map_or(Ok(Cell::Null), |v| Cell::of_json(v, kind));
                let cells =
                    schema.fields().map(|f| field(f.name(), f.data_type()).map_err(|e| format!("{}: {e}", f.name())));
                Cell::Struct(cells.collect::<Result<_, _>>()?)
            }
            (value, data_type) => return Err(format!("{value} instead of {data_type}")),
        })
    }

    /// The values of an array.
    pub(crate) fn of_array(array: &ArrayRef, data_type: &DataType) -> Result<Vec<Cell>, String> {
        let there = |cell: &dyn Fn(usize) -> Cell| -> Vec<Cell> {
            (0..array.len()).map(|row| if array.is_null(row) { Cell::Null } else { cell(row) }).collect()
        };
        let as_type = |wanted: &ArrowType| cast(array, wanted).map_err(|e| e.to_string());
        Ok(match data_type {
            DataType::Struct(schema) => {
                let array = array.as_struct_opt().ok_or("no struct")?;
                let mut columns = Vec::new();
                for field in schema.fields() {
                    let column = array.column_by_name(field.name()).map(|c| Cell::of_array(c, field.data_type()));
                    columns.push(column.transpose()?.unwrap_or_else(|| vec![Cell::Null; array.len()]));
                }
                there(&|row| Cell::Struct(columns.iter().map(|column| column[row].clone()).collect()))
            }
            DataType::Array(_) => {
                let list = as_type(&ArrowType::List(Arc::new(Field::new("element", ArrowType::Utf8, true))))?;
                there(&|row| Cell::List(Texts::of(list.as_list::<i32>().value(row).as_string())))
            }
            DataType::Map(_) => {
                let map = array.as_map_opt().ok_or("no map")?;
                let texts = |array: &ArrayRef| cast(array, &ArrowType::Utf8).map_err(|e| e.to_string());
                let (keys, values) = (texts(map.keys())?, texts(map.values())?);
                there(&|row| {
                    let (start, length) = (map.value_offsets()[row] as usize, map.value_length(row) as usize);
                    let part = |all: &ArrayRef| Texts::of(all.slice(start, length).as_string());
                    Cell::Map(part(&keys), part(&values))
                })
            }
            DataType::Primitive(PrimitiveType::String) => {
                let texts = as_type(&ArrowType::Utf8)?;
                there(&|row| Cell::Text(texts.as_string::<i32>().value(row).to_owned()))
            }
            DataType::Primitive(PrimitiveType::Boolean) => {
                let bits = as_type(&ArrowType::Boolean)?;
                there(&|row| Cell::Bool(bits.as_boolean().value(row)))
            }
            DataType::Primitive(kind) if is_whole(kind) => {
                let whole = as_type(&ArrowType::Int64)?;
                there(&|row| Cell::Whole(whole.as_primitive::<Int64Type>().value(row)))
            }
            other => return Err(format!("{other}, which logs do not contain")),
        })
    }

    /// The cell at a path of positions in structs; null if a struct on the path is null.
    pub(crate) fn at(&self, path: &[usize]) -> &Cell {
        path.iter().fold(self, |cell, &field| match cell {
            Cell::Struct(cells) => cells.get(field).unwrap_or(&Cell::Null),
            _ => &Cell::Null,
        })
    }
}

fn is_whole(kind: &PrimitiveType) -> bool {
    matches!(kind, PrimitiveType::Byte | PrimitiveType::Short | PrimitiveType::Integer | PrimitiveType::Long)
}

impl Texts {
    fn of(array: &StringArray) -> Self {
        Texts(array.iter().map(|text| text.map(str::to_owned)).collect())
    }
}

impl StringArrayAccessor for Texts {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn value(&self, index: usize) -> &str {
        self.0[index].as_deref().unwrap_or_default()
    }

    fn is_valid(&self, index: usize) -> bool {
        self.0[index].is_some()
    }
}

/// The positions in structs that lead to a column.
pub(crate) fn path_of(schema: &StructType, column: &ColumnName) -> Option<Vec<usize>> {
    let (mut schema, mut path) = (Some(schema), Vec::new());
    for name in column.path() {
        let (at, field) = schema?.field_with_index(name)?;
        path.push(at);
        schema = match field.data_type() {
            DataType::Struct(fields) => Some(fields),
            _ => None,
        };
    }
    Some(path)
}

impl EngineData for LogRows {
    fn visit_rows(&self, columns: &[ColumnName], visitor: &mut dyn RowVisitor) -> KernelResult<()> {
        let column = |name: &ColumnName| {
            let path = path_of(&self.schema, name).ok_or_else(|| KernelError::missing_column(name))?;
            Ok::<_, KernelError>(CellColumn(self.rows.iter().map(|row| row.at(&path)).collect()))
        };
        let columns: Vec<CellColumn<'_>> = columns.iter().map(column).collect::<Result<_, _>>()?;
        let getters: Vec<&dyn GetData<'_>> = columns.iter().map(|c| c as &dyn GetData<'_>).collect();
        visitor.visit(self.rows.len(), &getters)
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn append_columns(&self, _: SchemaRef, _: Vec<ArrayData>) -> KernelResult<Box<dyn EngineData>> {
        Err(KernelError::unsupported("columns other than those of a log"))
    }

    fn apply_selection_vector(self: Box<Self>, selected: Vec<bool>) -> KernelResult<Box<dyn EngineData>> {
        if selected.len() > self.rows.len() {
            return Err(KernelError::generic("a selection of more rows than exist"));
        }
        // Rows beyond the end of the vector are selected.
        let selected = selected.into_iter().chain(std::iter::repeat(true));
        let rows = self.rows.into_iter().zip(selected).filter_map(|(row, selected)| selected.then_some(row)).collect();
        Ok(Box::new(LogRows { schema: self.schema, rows }))
    }

    fn has_field(&self, name: &ColumnName) -> bool {
        path_of(&self.schema, name).is_some()
    }
}

impl CellColumn<'_> {
    fn get<'a, T>(&'a self, row: usize, name: &str, wanted: impl Fn(&'a Cell) -> Option<T>) -> KernelResult<Option<T>> {
        match self.0[row] {
            Cell::Null => Ok(None),
            cell => wanted(cell).map(Some).ok_or_else(|| KernelError::generic(format!("{name} has another type"))),
        }
    }
}

impl<'a> GetData<'a> for CellColumn<'a> {
    fn get_bool(&'a self, row: usize, name: &str) -> KernelResult<Option<bool>> {
        self.get(row, name, |cell| if let Cell::Bool(value) = cell { Some(*value) } else { None })
    }

    fn get_int(&'a self, row: usize, name: &str) -> KernelResult<Option<i32>> {
        self.get(row, name, |cell| if let Cell::Whole(value) = cell { i32::try_from(*value).ok() } else { None })
    }

    fn get_long(&'a self, row: usize, name: &str) -> KernelResult<Option<i64>> {
        self.get(row, name, |cell| if let Cell::Whole(value) = cell { Some(*value) } else { None })
    }

    fn get_str(&'a self, row: usize, name: &str) -> KernelResult<Option<&'a str>> {
        self.get(row, name, |cell| if let Cell::Text(text) = cell { Some(text.as_str()) } else { None })
    }

    fn get_list(&'a self, row: usize, name: &str) -> KernelResult<Option<ListItem<'a>>> {
        self.get(row, name, |cell| match cell {
            Cell::List(texts) => Some(ListItem::new(texts, 0..texts.len())),
            _ => None,
        })
    }

    fn get_map(&'a self, row: usize, name: &str) -> KernelResult<Option<MapItem<'a>>> {
        self.get(row, name, |cell| match cell {
            Cell::Map(keys, values) => Some(MapItem::new(keys, values, 0..keys.len())),
            _ => None,
        })
    }
}
