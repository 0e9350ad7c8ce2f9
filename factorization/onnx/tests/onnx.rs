//! Networks as detectors. The network of the tests is made of the vectors of an AccessAnomaly model, so that its scores
//! are known.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use huntbook_factorization::onnx::{OnnxDetector, OnnxModel};
use huntbook_factorization::{AccessAnomaly, AccessAnomalyModel, AccessColumns, AnomalyDetector, AnomalyModel, Error};
use prost::Message;
use tempfile::TempDir;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto, tensor_proto::DataType, tensor_shape_proto, type_proto,
};

struct Accesses {
    tenant: Vec<&'static str>,
    user: Vec<String>,
    res: Vec<String>,
}

impl Accesses {
    /// Two tenants, each with two departments that keep to themselves.
    fn company() -> Self {
        let mut all = Accesses { tenant: Vec::new(), user: Vec::new(), res: Vec::new() };
        for tenant in ["b", "a"] {
            for row in 0..400usize {
                let (department, user, res) = (row % 2, row * 7 % 20, row * row % 30);
                all.tenant.push(tenant);
                all.user.push(format!("user {department} {user}"));
                all.res.push(format!("res {department} {res}"));
            }
        }
        all
    }

    fn with<T>(&self, run: impl FnOnce(AccessColumns<'_>) -> T) -> T {
        let some = |names: &[String]| -> Vec<Option<String>> { names.iter().cloned().map(Some).collect() };
        let (user, res) = (some(&self.user), some(&self.res));
        let tenant: Vec<Option<&str>> = self.tenant.iter().copied().map(Some).collect();
        let user: Vec<Option<&str>> = user.iter().map(Option::as_deref).collect();
        let res: Vec<Option<&str>> = res.iter().map(Option::as_deref).collect();
        run(AccessColumns { tenant: &tenant, user: &user, res: &res })
    }

    fn known(&self) -> AccessAnomalyModel {
        let likelihood: Vec<Option<f64>> = (0..self.user.len()).map(|row| Some((row % 9) as f64)).collect();
        self.with(|columns| AccessAnomaly::new().rank(4).fit(columns, &likelihood, &())).unwrap()
    }
}

fn tensor(name: &str, dims: &[usize], values: Vec<f32>) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: dims.iter().map(|dim| *dim as i64).collect(),
        data_type: DataType::Float as i32,
        float_data: values,
        ..TensorProto::default()
    }
}

fn node(op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        name: output.into(),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        attribute,
        ..NodeProto::default()
    }
}

fn value(name: &str, kind: DataType) -> ValueInfoProto {
    let batch = tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimParam("N".into())),
        ..tensor_shape_proto::Dimension::default()
    };
    let tensor = type_proto::Tensor { elem_type: kind as i32, shape: Some(TensorShapeProto { dim: vec![batch] }) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.into(), r#type: Some(kind), ..ValueInfoProto::default() }
}

/// `-sum(users[user] * resources[res])`: the affinity whose score is the score of the model.
fn network(model: &AccessAnomalyModel, inputs: &[&str]) -> Vec<u8> {
    let vectors = |of: Vec<&[f64]>| -> Vec<f32> { of.concat().into_iter().map(|value| value as f32).collect() };
    let users = vectors(model.user_vectors().map(|named| named.vector).collect());
    let resources = vectors(model.res_vectors().map(|named| named.vector).collect());
    let width = model.summary().rank + 2;
    let axes = AttributeProto {
        name: "axes".into(),
        r#type: attribute_proto::AttributeType::Ints as i32,
        ints: vec![1],
        ..AttributeProto::default()
    };
    let flat = AttributeProto {
        name: "keepdims".into(),
        r#type: attribute_proto::AttributeType::Int as i32,
        i: 0,
        ..axes.clone()
    };
    let graph = GraphProto {
        name: "dot".into(),
        node: vec![
            node("Gather", &["users", "user"], "u", vec![]),
            node("Gather", &["resources", "res"], "r", vec![]),
            node("Mul", &["u", "r"], "products", vec![]),
            node("ReduceSum", &["products"], "sum", vec![axes, AttributeProto { ints: vec![], ..flat }]),
            node("Neg", &["sum"], "affinity", vec![]),
        ],
        initializer: vec![
            tensor("users", &[users.len() / width, width], users),
            tensor("resources", &[resources.len() / width, width], resources),
        ],
        input: inputs.iter().map(|name| value(name, DataType::Int64)).collect(),
        output: vec![value("affinity", DataType::Float)],
        ..GraphProto::default()
    };
    let opset = OperatorSetIdProto { domain: String::new(), version: 11 };
    ModelProto { ir_version: 7, opset_import: vec![opset], graph: Some(graph), ..ModelProto::default() }.encode_to_vec()
}

fn written(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn fitted(path: &Path, accesses: &Accesses) -> OnnxModel {
    accesses.with(|columns| OnnxDetector::open(path).unwrap().fit(columns, &())).unwrap()
}

#[test]
fn a_network_scores_what_it_was_made_of() {
    let (accesses, folder) = (Accesses::company(), TempDir::new().unwrap());
    let known = accesses.known();
    for inputs in [["user", "res"], ["res", "user"]] {
        let model = fitted(&written(&folder, "n.onnx", &network(&known, &inputs)), &accesses);
        let wanted = accesses.with(|columns| known.score(columns)).unwrap();
        let scored = accesses.with(|columns| model.score_all(columns)).unwrap();
        for (wanted, found) in wanted.iter().zip(&scored.score) {
            assert!((wanted.unwrap() - found.unwrap()).abs() < 1e-4, "{wanted:?} {found:?}");
        }
        assert!(scored.rank_in_tenant.iter().filter(|rank| **rank == Some(1)).count() >= 2);
        assert!(scored.p_value.iter().all(Option::is_none));
    }
}

#[test]
fn unknown_and_null_names_have_no_score() {
    let (accesses, folder) = (Accesses::company(), TempDir::new().unwrap());
    let model = fitted(&written(&folder, "n.onnx", &network(&accesses.known(), &["user", "res"])), &accesses);
    let columns = AccessColumns {
        tenant: &[Some("a"), Some("a"), None, Some("z"), Some("b")],
        user: &[Some("user 0 0"), Some("ghost"), Some("user 0 0"), Some("user 0 0"), Some("user 0 0")],
        res: &[Some("res 0 0"), Some("res 0 0"), Some("res 0 0"), Some("res 0 0"), None],
    };
    let known: Vec<bool> = model.score_all(columns).unwrap().score.iter().map(Option::is_some).collect();
    assert_eq!(known, [true, false, false, false, false]);
    let words = model.explain("a", "user 0 0", "res 0 0");
    assert!(words.contains("affinity") && words.contains("user 0 0"), "{words}");
    assert!(model.explain("a", "ghost", "res 0 0").contains("no score"));
}

#[test]
fn a_saved_model_scores_bit_for_bit() {
    let (accesses, folder) = (Accesses::company(), TempDir::new().unwrap());
    let model = fitted(&written(&folder, "n.onnx", &network(&accesses.known(), &["user", "res"])), &accesses);
    let saved = folder.path().join("model");
    model.save(&saved).unwrap();
    let again = OnnxModel::load(&saved).unwrap();
    let scores = |model: &OnnxModel| accesses.with(|columns| model.score_all(columns)).unwrap();
    assert!(scores(&model) == scores(&again));
    again.save(&saved).unwrap();

    let network = saved.join("model.onnx");
    let whole = std::fs::read(&network).unwrap();
    std::fs::write(&network, &whole[..whole.len() - 9]).unwrap();
    let error = OnnxModel::load(&saved).unwrap_err().to_string();
    assert!(error.contains("damaged") && error.contains("model.onnx"), "{error}");
    let description = saved.join("model.json");
    let newer =
        std::fs::read_to_string(&description).unwrap().replace("\"format_version\": 1", "\"format_version\": 99");
    std::fs::write(&description, newer).unwrap();
    assert!(OnnxModel::load(&saved).unwrap_err().to_string().contains("format version 99"));
}

#[test]
fn networks_that_do_not_fit_are_errors() {
    let (accesses, folder) = (Accesses::company(), TempDir::new().unwrap());
    let error = |path: &Path| OnnxDetector::open(path).unwrap_err().to_string();
    assert!(error(&folder.path().join("none.onnx")).contains("none.onnx"));
    let bytes = network(&accesses.known(), &["user", "res"]);
    for cut in [1, bytes.len() / 2, bytes.len() - 1] {
        let text = error(&written(&folder, "cut.onnx", &bytes[..cut]));
        assert!(text.contains("cut.onnx"), "{text}");
    }
    let three = error(&written(&folder, "three.onnx", &network(&accesses.known(), &["user", "res", "hour"])));
    assert!(three.contains("3 inputs (user, res, hour)"), "{three}");

    // Trained on fewer users and resources than there are.
    let mut fewer = Accesses::company();
    let half = fewer.tenant.len() / 2;
    fewer.tenant.truncate(half);
    fewer.user.truncate(half);
    fewer.res.truncate(half);
    let path = written(&folder, "fewer.onnx", &network(&fewer.known(), &["user", "res"]));
    let error = accesses.with(|columns| OnnxDetector::open(&path).unwrap().fit(columns, &())).unwrap_err();
    assert!(matches!(error, Error::Network { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("fewer.onnx") && text.contains("train it on the ids of the same accesses"), "{text}");
}

#[test]
fn it_is_a_detector_like_the_others() {
    let (accesses, folder) = (Accesses::company(), TempDir::new().unwrap());
    let path = written(&folder, "n.onnx", &network(&accesses.known(), &["user", "res"]));
    let detector: Box<dyn AnomalyDetector> = Box::new(OnnxDetector::open(&path).unwrap());
    let likelihood = vec![Some(1.0); accesses.user.len()];
    let model: Box<dyn AnomalyModel> = accesses.with(|columns| detector.fit(columns, &likelihood, &())).unwrap();
    assert_eq!(model.name(), "onnx");
    let stop = |_: usize, _: usize, _: f64| ControlFlow::Break(());
    let stopped = accesses.with(|columns| detector.fit(columns, &likelihood, &stop)).map(|_| ());
    assert!(matches!(stopped, Err(Error::Cancelled { done: 1, of: 1 })), "{stopped:?}");
    let none = AccessColumns { tenant: &[], user: &[], res: &[] };
    assert!(matches!(detector.fit(none, &[], &()).map(|_| ()), Err(Error::EmptyInput)));
}
